"""Free expressions: whatever they return, no number is made up."""

from monitord.kpis.groups import Group
from monitord.kpis.kinds.expression import ExpressionReading
from monitord.prometheus.api.series import Answer, HistogramSeries, NativeHistogram


def test_an_expression_that_gives_a_native_histogram_gives_no_number() -> None:
    native = HistogramSeries({}, ((100.0, NativeHistogram(10.0, 30.0, ())),))
    reading = ExpressionReading({"session": Answer((), histograms=(native,))})
    found = reading.estimate("value", "session", [Group()]).scaled(1.0)
    assert (found.value, found.reason) == (None, "not_a_number")
