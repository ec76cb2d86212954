"""Histograms in their classic and native forms, read together."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from monitord.kpis.groups import Group
from monitord.kpis.kinds.histogram import HistogramReading
from monitord.kpis.span import Span
from monitord.prometheus.api.series import Answer, Bucket, HistogramSeries, NativeHistogram
from tests.fakes.query_client import answer, series

SPAN = Span("s", 0.0, 100.0, 5.0, native=True)
A, B, C = ({"job": "web", "instance": name} for name in "abc")
GROUP_A, GROUP_B, GROUP_C = (Group("web", name) for name in "abc")
CLASSIC = {
    "series": answer(series(1.0, **A)),
    "count": answer(series(100.0, **A)),
    "uncounted": answer(),
    "sum": answer(series(150.0, **A)),
    "buckets": answer(
        series(60.0, **A, le="1.0"), series(100.0, **A, le="2.0"), series(100.0, **A, le="+Inf")
    ),
}
OBSERVED = NativeHistogram(10.0, 30.0, (Bucket(2, 4, 10),))
FEW = NativeHistogram(5.0, 1.0, (Bucket(0.1, 0.2, 5),))


def natives(*each: tuple[Mapping[str, str], NativeHistogram]) -> Answer:
    return Answer((), histograms=tuple(HistogramSeries(labels, ((100.0, one),)) for labels, one in each))


def reading(**native: Answer) -> HistogramReading:
    roles = ("native_series", "native", "native_born", "native_born_increase")
    return HistogramReading(CLASSIC | dict.fromkeys(roles, answer()) | native, SPAN)


def test_a_target_with_both_forms_is_read_by_the_classic_one_and_others_by_the_native_one() -> None:
    both = reading(
        native_series=answer(series(1.0, **A), series(1.0, **B)),
        native=natives((A, NativeHistogram(7.0, 7.0, ())), (B, OBSERVED)),
    )
    assert set(both.groups) == {GROUP_A, GROUP_B}
    for groups, count, mean in (
        ([GROUP_A], 100, 1.5),
        ([GROUP_B], 10, 3),
        ([GROUP_A, GROUP_B], 110, 180 / 110),
    ):
        assert both.estimate("count", "session", groups).value == count
        assert both.estimate("mean", "session", groups).value == pytest.approx(mean)
    merged = both.estimate("p99", "session", [GROUP_A, GROUP_B])
    assert merged.value == pytest.approx(2 + 2 * 0.89)
    assert (merged.low, merged.high) == (2, 4)
    assert (merged.n, merged.reason) == (110, "")


def test_buckets_that_cross_are_one_and_said_to_be() -> None:
    crossing = reading(native_series=answer(series(1.0, **B)), native=natives((B, FEW)))
    found = crossing.estimate("p50", "session", [GROUP_A, GROUP_B])
    assert (found.low, found.high, found.n, found.reason) == (0, 1, 105, "mixed_buckets")
    assert crossing.estimate("p50", "session", [GROUP_B]).reason == ""


def test_one_sample_is_too_few() -> None:
    scraped_once = reading(native_series=answer(series(1.0, **C)))
    found = scraped_once.estimate("count", "session", [GROUP_C])
    assert (found.value, found.reason) == (None, "too_few_samples")
    partly = scraped_once.estimate("count", "session", [GROUP_A, GROUP_C])
    assert (partly.value, partly.reason) == (100, "too_few_samples")


@pytest.mark.parametrize(("last", "reason"), [(10.0, ""), (9.0, ""), (500.0, "series_born")])
def test_what_was_held_at_birth_is_what_the_increase_leaves_out(last: float, reason: str) -> None:
    born = reading(
        native_series=answer(series(1.0, **B)),
        native=natives((B, OBSERVED)),
        native_born=natives((B, NativeHistogram(last, 0.0, ()))),
        native_born_increase=natives((B, OBSERVED)),
    )
    assert born.estimate("count", "session", [GROUP_B]).reason == reason


def test_nothing_observed_has_no_percentile() -> None:
    idle = reading(native_series=answer(series(1.0, **B)), native=natives((B, NativeHistogram(0.0, 0.0, ()))))
    assert idle.estimate("count", "session", [GROUP_B]).value == 0
    found = idle.estimate("p50", "session", [GROUP_B])
    assert (found.value, found.reason) == (None, "no_observations")
