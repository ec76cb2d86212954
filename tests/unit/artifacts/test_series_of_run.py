"""What identifies the same series in two runs, and what several with one key are together."""

from __future__ import annotations

import math

import pytest

from monitord.artifacts.series_of_run import SeriesKey, ignored_labels, series_of
from tests.fakes.series_rows import counter, gauge, run_of


def test_where_a_run_took_place_does_not_matter() -> None:
    found = series_of(
        run_of(
            counter("a_total", 2.0, 0.5, instance="n1:1", node="n1", client="c1", code="200"),
            counter("a_total", 3.0, 0.5, instance="n2:1", node="n2", client="c2", code="200"),
            counter("a_total", 1.0, instance="n2:1", node="n2", client="c2", code="500"),
        ),
        {},
    )
    assert set(found) == {
        SeriesKey("a_total", "rate", "web", "web", (("code", code),)) for code in ("200", "500")
    }
    of_200 = found[SeriesKey("a_total", "rate", "web", "web", (("code", "200"),))]
    assert (of_200.value, of_200.low, of_200.high) == pytest.approx((5.0, 4.0, 6.0))


def test_gauges_are_averaged_and_so_are_their_variances() -> None:
    rows = [gauge("queue", 1.0, 3.0, gpu="0", instance="a"), gauge("queue", 5.0, 4.0, gpu="0", instance="b")]
    (found,) = series_of(run_of(*rows), {}).items()
    key, value = found
    assert key.labels == (("gpu", "0"),)
    assert (value.value, value.n) == (3.0, 20)
    assert value.high - value.value == pytest.approx(math.sqrt(12.5))
    assert value.value - value.low == pytest.approx(math.sqrt(12.5))


def test_one_sample_says_nothing_of_its_spread() -> None:
    (value,) = series_of(run_of(gauge("queue", 1.0, n=1)), {}).values()
    assert (value.low, value.high) == (-math.inf, math.inf)


def test_labels_without_a_value_on_both_sides_are_left_out_job_by_job() -> None:
    before = run_of(
        gauge("util", 1.0, job="dcgm", UUID="GPU-1", gpu="0", driver="5"),
        gauge("queue", 1.0, job="vllm", model="a", code="1"),
        gauge("queue", 1.0, job="embed", model="a"),
        gauge("gone", 1.0, job="old", x="1"),
    )
    after = run_of(
        gauge("util", 2.0, job="dcgm", UUID="GPU-7", gpu="0", driver="5"),
        gauge("queue", 2.0, job="vllm", model="b", code="1", engine="0"),
        gauge("queue", 2.0, job="embed", model="a"),
    )
    ignored = ignored_labels([before], [after])
    assert ignored == {"dcgm": {"UUID"}, "vllm": {"model", "engine"}}
    assert series_of(before, ignored).keys() - series_of(after, ignored).keys() == {
        SeriesKey("gone", "mean", "old", "old", (("x", "1"),))
    }


def test_what_a_histogram_observed_has_a_mean_with_bounds() -> None:
    parts = [
        counter("latency_sum", 6.0, 2.0, "histogram", code="1"),
        counter("latency_count", 3.0, 1.0, "histogram", code="1"),
        counter("latency_bucket", 2.0, 1.0, "histogram", le="1.0", code="1"),
    ]
    found = series_of(run_of(*parts), {})
    mean = found[SeriesKey("latency", "observed mean", "web", "web", (("code", "1"),))]
    assert (mean.value, mean.low, mean.high) == pytest.approx((2.0, 1.0, 4.0))
    assert len(found) == 4
    idle = [counter(f"latency_{part}", 0.0, kind="histogram") for part in ("sum", "count")]
    assert {key.kind for key in series_of(run_of(*idle), {})} == {"rate"}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_not_finite_are_left_out(value: float) -> None:
    assert series_of(run_of(gauge("queue", value)), {}) == {}
    assert series_of(run_of(counter("a_total", math.inf)), {}) == {}
    assert series_of(run_of(), {}) == {}
