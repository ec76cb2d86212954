"""The summary of every series: each number as a loop over its samples gives it."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.collect.metric_types import MetricTypes
from monitord.collect.series_summary import NUMBERS, PERCENTILES, TEXTS, SeriesSummary
from monitord.kpis.readings.increase import Windows, increases
from monitord.kpis.readings.target_samples import Series, TargetSamples, target_samples
from monitord.kpis.span import TIMESTAMP_TOLERANCE, Span
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.prometheus.api.sample_block import HistogramSeries

SPAN = Span("s", 1000.0, 1010.0, 1.0)
TARGET = {"job": "web", "instance": "h:1", "client": "c1", "session": "s", "service": "web", "node": "h"}
TYPES = MetricTypes({"queue": [{"type": "gauge"}], "latency": [{"type": "histogram"}]})
EVERY_SECOND = tuple(range(995, 1016))
Samples = Mapping[int, float] | Mapping[float, float]
Row = dict[str, Any]


def series(name: str, samples: Samples, **labels: str) -> Series:
    times = np.array([round(second * 1000) for second in samples], np.int64)
    return Series({"__name__": name, **TARGET, **labels}, times, np.array(list(samples.values()), np.float64))


def target(
    *found: Series, up: Samples | None = None, native: Sequence[HistogramSeries] = ()
) -> TargetSamples:
    made = target_samples([series("up", up or dict.fromkeys(EVERY_SECOND, 1.0)), *found], native)
    assert made is not None
    return made


def rows(made: TargetSamples, span: Span = SPAN) -> list[Row]:
    return [
        dict(zip((*TEXTS, *NUMBERS), (*texts, *numbers), strict=True))
        for found in SeriesSummary(span, TYPES).rows(made)
        for texts, numbers in zip(found.texts, found.numbers.tolist(), strict=True)
    ]


def row(metric: str, made: TargetSamples) -> Row:
    (found,) = (each for each in rows(made) if each["metric"] == metric)
    return found


def test_a_gauge_has_the_statistics_of_its_samples_in_the_window() -> None:
    samples = {second: float(second % 7) for second in EVERY_SECOND}
    found = row("queue", target(series("queue", samples, gpu="0", zone="b", a='q"')))
    inside = [samples[second] for second in range(1000, 1011)]  # both edges
    assert found["n"] == 11
    assert (found["first"], found["last"]) == (inside[0], inside[-1])
    assert (found["min"], found["max"]) == (0.0, 6.0)
    assert found["mean"] == pytest.approx(statistics.fmean(inside))
    assert found["std"] == pytest.approx(statistics.pstdev(inside))
    assert all(math.isnan(found[name]) for name in ("increase", "increase_lo", "increase_hi", "rate"))
    assert [found[name] for name in TEXTS[:-1]] == ["queue", "gauge", "web", "h:1", "c1", "web", "h", "0"]
    assert found["labels"] == '{"a":"q\\"","zone":"b"}'


def test_a_counter_has_its_increase_with_bounds() -> None:
    samples = {second: 10.0 * (second - 990) for second in (*range(995, 999), 1001, 1005, 1009, 1013)}
    found = row("served_total", target(series("served_total", samples)))
    assert (found["increase_lo"], found["increase"], found["increase_hi"]) == pytest.approx((80, 100, 150))
    assert found["rate"] == pytest.approx(10)
    assert (found["type"], found["labels"]) == ("counter", "{}")


def test_a_series_born_in_the_window_and_one_that_was_reset() -> None:
    born = {second: second - 1002.0 + 5 for second in range(1003, 1016)}
    reset = {second: float(second - (990 if second < 1005 else 1004)) for second in EVERY_SECOND}
    made = target(series("born_total", born), series("reset_total", reset))
    found = row("born_total", made)
    assert (found["increase_lo"], found["increase_hi"]) == (6, 14)  # the first value may be older
    found = row("reset_total", made)
    assert found["increase_hi"] == math.inf
    assert found["increase_lo"] <= found["increase"] == pytest.approx(10)


def test_parts_of_histograms_are_counters() -> None:
    growing = {second: float(second) for second in EVERY_SECOND}
    made = target(*(series(f"latency_{part}", growing) for part in ("bucket", "count", "sum")))
    for part in ("bucket", "count", "sum"):
        found = row(f"latency_{part}", made)
        assert (found["type"], found["increase"]) == ("histogram", pytest.approx(10))


def test_failed_scrapes_count_for_up_alone() -> None:
    up = {second: float(second not in {1003, 1004}) for second in EVERY_SECOND}
    served = {second: float(second) for second in EVERY_SECOND if up[second]}
    made = target(series("served_total", served), up=up)
    found = row("up", made)
    assert (found["n"], found["min"], found["type"]) == (11, 0, "gauge")
    found = row("served_total", made)
    assert (found["n"], found["increase"]) == (9, 10)


def test_what_was_not_scraped_in_the_window_has_no_row() -> None:
    made = target(
        series("queue", {999: 1.0, 1011: 2.0}),
        series("never", {1000: math.nan, 1010: math.nan}),
        series("edge", {1010: 3.0}),
    )
    assert [(each["metric"], each["n"]) for each in rows(made)] == [("up", 11), ("edge", 1)]
    assert rows(made, Span("s", 2000.0, 2010.0, 1.0)) == []


def test_equal_values_have_no_deviation_and_infinite_ones_none_that_is_known() -> None:
    made = target(
        series("constant", dict.fromkeys(EVERY_SECOND, 0.1)),
        series("endless", {second: math.inf if second > 1005 else 1.0 for second in EVERY_SECOND}),
    )
    found = row("constant", made)
    assert (found["mean"], found["std"], found["p95"]) == (0.1, 0.0, 0.1)
    found = row("endless", made)
    assert (found["mean"], found["max"], found["p99"]) == (math.inf, math.inf, math.inf)
    assert (found["min"], found["p50"]) == (1.0, 1.0)
    assert math.isnan(found["std"])


def test_the_increase_of_a_counter_that_was_infinite_is_unknown() -> None:
    samples = {second: math.inf if second > 1005 else 1.0 for second in EVERY_SECOND}
    made = target(series("served_total", samples), series("other_total", dict.fromkeys(EVERY_SECOND, 1.0)))
    assert not math.isfinite(row("served_total", made)["increase"])
    assert row("other_total", made)["increase"] == 0


def test_a_native_histogram_has_the_increase_of_its_count() -> None:
    times = np.array([second * 1000 for second in EVERY_SECOND], np.int64)
    samples = [RawHistogram(str(3 * second), "1", []) for second in EVERY_SECOND]
    native = HistogramSeries({"__name__": "sizes", **TARGET, "code": "1"}, times, samples)
    found = row("sizes", target(native=[native]))
    assert (found["type"], found["labels"], found["n"]) == ("histogram", '{"code":"1"}', 11)
    assert (found["increase_lo"], found["increase"], found["increase_hi"]) == (24, 30, 36)
    assert math.isnan(found["mean"])


VALUES = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, math.nan])
SAMPLES = st.dictionaries(st.sampled_from(EVERY_SECOND), VALUES).map(
    lambda found: dict(sorted(found.items()))
)


@given(st.lists(SAMPLES, max_size=6), st.lists(SAMPLES, max_size=6))
def test_each_number_is_that_of_a_loop_over_the_samples(
    gauges: list[dict[int, float]], counters: list[dict[int, float]]
) -> None:
    counters = [{second: abs(value) for second, value in each.items()} for each in counters]
    given_ = [series("queue", each, number=str(number)) for number, each in enumerate(gauges) if each]
    given_ += [series("x_total", each, number=str(number)) for number, each in enumerate(counters) if each]
    made = target(*given_)
    found = {(each["metric"], json.loads(each["labels"]).get("number", "")): each for each in rows(made)}
    for each in given_:
        key = (each.labels["__name__"], each.labels["number"])
        samples = dict(zip((each.times / 1000).tolist(), each.values.tolist(), strict=True))
        inside = [v for second, v in samples.items() if 1000 <= second <= 1010 and not math.isnan(v)]
        if not inside:
            assert key not in found
            continue
        expected = naive(inside) | increase_of(each, made)
        assert {name: found[key][name] for name in NUMBERS} == pytest.approx(
            expected, rel=1e-9, abs=1e-6, nan_ok=True
        )


def naive(inside: Sequence[float]) -> dict[str, float]:
    ordered = sorted(inside)
    percentiles = {name: quantile_over_time(ordered, q) for name, q in PERCENTILES.items()}
    return percentiles | {
        "n": len(inside), "first": inside[0], "last": inside[-1], "min": ordered[0], "max": ordered[-1],
        "mean": statistics.fmean(inside), "std": statistics.pstdev(inside),
    }  # fmt: skip


def quantile_over_time(ordered: Sequence[float], q: float) -> float:
    """Do as Prometheus does."""
    rank = q * (len(ordered) - 1)
    lower = max(0, math.floor(rank))
    upper = min(len(ordered) - 1, lower + 1)
    weight = rank - math.floor(rank)
    return ordered[lower] * (1 - weight) + ordered[upper] * weight


def increase_of(each: Series, made: TargetSamples) -> dict[str, float]:
    names = ("increase", "increase_lo", "increase_hi", "rate")
    if each.labels["__name__"] == "queue":
        return dict.fromkeys(names, math.nan)
    values = np.full((1, len(EVERY_SECOND)), np.nan)
    values[0, np.searchsorted(made.scrapes.times, each.times)] = each.values
    window = Windows(np.array([1000.0]), np.array([1010.0]), TIMESTAMP_TOLERANCE)
    found = increases(made.scrapes.successes, values, window)
    low, high, estimate = (float(part[0, 0]) for part in (found.low, found.high, found.estimate))
    return dict(zip(names, (estimate, low, high, estimate / 10), strict=True))
