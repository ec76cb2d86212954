"""Free expressions: evaluated once per scope; whatever they return, no number is made up."""

import math

from monitord.kpis.groups import Group
from monitord.kpis.kind import QueryKind
from monitord.kpis.kinds import kind_of
from monitord.kpis.kinds.expression import ExpressionReading
from monitord.kpis.span import Span
from monitord.prometheus.api.series import Answer, HistogramSeries, NativeHistogram, Series
from monitord.recipes.model import Kpi

SPAN = Span("bench01", 1000.0, 1100.0, 5.0)
FREE = Kpi.model_validate(
    {"name": "k", "help": "h", "unit": "x", "kind": "expr", "by": ["gpu"], "stats": ["value"],
     "expr": "sum by ($by) (increase(e{$selector}$window))"}
)  # fmt: skip


def test_it_is_evaluated_once_a_scope_and_once_a_step() -> None:
    kind = kind_of("expr")
    assert isinstance(kind, QueryKind)
    assert kind.queries(FREE, ("*",), SPAN) == {
        "session": SPAN.at_end('sum by () (increase(e{session="bench01"}[100000ms]))'),
        "gpu": SPAN.at_end('sum by (node, gpu) (increase(e{session="bench01"}[100000ms]))'),
    }
    assert kind.queries_over_time(FREE, ("*",), SPAN) == {
        "session": SPAN.over_steps('sum by () (increase(e{session="bench01"}[20000ms]))'),
        "gpu": SPAN.over_steps('sum by (node, gpu) (increase(e{session="bench01"}[20000ms]))'),
    }
    nearest = kind.nearest_promql(FREE, ("*",), SPAN)
    assert nearest == {"value": 'sum by () (increase(e{session="bench01"}[100000ms]))'}


def test_an_expression_that_gives_a_native_histogram_gives_no_number() -> None:
    native = HistogramSeries({}, ((100.0, NativeHistogram(10.0, 30.0, ())),))
    reading = ExpressionReading({"session": Answer((), histograms=(native,))}, {}, SPAN)
    found = reading.estimate("value", "session", [Group()]).scaled(1.0)
    assert (found.value, found.reason) == (None, "not_a_number")


def test_a_step_with_several_values_or_none_has_no_number() -> None:
    ends = (1020.0, 1040.0, 1080.0)
    several = [
        Series({"a": name}, tuple((end, 1.0) for end in ends[:number]))
        for name, number in (("x", 3), ("y", 1))
    ]
    reading = ExpressionReading({}, {"session": Answer(tuple(several))}, SPAN)
    found = reading.over_time("value", "session", [Group()])
    assert [None if math.isnan(value) else value for value in found] == [None, 1, None, 1, None]
    assert reading.over_time("value", "node", [Group()]) == []
