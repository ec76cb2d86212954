"""From raw samples to rows: what is true, what is partial, and what is unknown."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.collect.verdict import Reason
from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.prometheus.api.series import Answer
from monitord.recipes.model import Kpi, Recipe
from monitord.windows.model import Window
from tests.fakes.sample_client import SampleClient, Stored, answer, one, stored

A = {"job": "t", "instance": "n1:1", "client": "c1", "service": "t", "node": "n1"}
B = {"job": "t", "instance": "n2:1", "client": "c2", "service": "t", "node": "n2"}
OTHER = {"job": "node", "instance": "n3:1", "client": "c3", "node": "n3"}
START, SECONDS, INTERVAL = 1000.0, 500.0, 5
TIMES = range(-13, 514, INTERVAL)
"""When targets are scraped, in seconds since the window's start; 100 scrapes are in the window."""

Course = Callable[[float], float]


def scraped(of: Course, times: Sequence[int] = TIMES) -> dict[float, float]:
    """Return samples: `of` seconds since the window's start."""
    return {START + second: float(of(second)) for second in times}


def rate(per_second: float, before: float = 1000.0) -> dict[float, float]:
    """Return the samples of a counter of a steady rate, which stood at `before` when the window began."""
    return scraped(lambda second: before + per_second * second)


def kpi(**keys: Any) -> Kpi:
    return Kpi.model_validate({"name": "k", "help": "h", "unit": "x/s", "stats": ["mean"], **keys})


def request_for(one_kpi: Kpi, *targets: dict[str, str], **changes: Any) -> CollectionRequest:
    declared = tuple(ExpectedTarget("http://x/metrics", labels, float(INTERVAL)) for labels in targets)
    recipe = Recipe(name="r", help="h", kpis=(one_kpi,), services=changes.pop("services", ("*",)))
    window = Window("w1", START, START + changes.pop("seconds", SECONDS))
    request = CollectionRequest("s", window, declared, float(INTERVAL), 0.95, (recipe,))
    return replace(request, **changes)


def run(one_kpi: Kpi, series: Sequence[Stored], *targets: dict[str, str], **changes: Any) -> CollectedWindow:
    """Collect the window; declared are the targets given, else those that have series."""
    names = ("answers", "raising", "took", "active")
    client = SampleClient(series, **{name: changes.pop(name) for name in names if name in changes})
    extra = changes.pop("extra_reasons", ())
    found = targets or tuple({str(each.target): dict(each.target) for each in series}.values())
    return collect(request_for(one_kpi, *found, **changes), client, lambda: 5000.0, extra)


def one_row(collection: CollectedWindow, stat: str, scope: str = "session", **labels: str) -> KpiRow:
    (row,) = (
        r
        for r in collection.rows
        if (r.stat, r.scope) == (stat, scope) and all(getattr(r, k) == v for k, v in labels.items())
    )
    return row


def bounds(row: KpiRow) -> tuple[float | None, float | None]:
    return row.value_lo, row.value_hi


def judged(row: KpiRow) -> tuple[float | None, str, str]:
    return row.value, row.status, row.reason


THROUGHPUT = kpi(kind="counter", metric="m", stats=["mean", "rate", "min", "max", "total"], by=["client"])


def test_a_counter_over_the_window_and_its_extremes_over_tiles() -> None:
    faster = scraped(lambda second: 1000 + 2 * second + 4 * max(0, second - 252))
    found = run(THROUGHPUT, [stored(A, "m", faster), stored(B, "m", rate(10.0))])
    mean = one_row(found, "mean")
    assert mean.value == pytest.approx(12 + 4 * 248 / SECONDS)
    assert (mean.n, mean.unit, mean.status, mean.coverage) == (2, "x/s", "ok", 1)
    assert replace(one_row(found, "rate"), stat="mean") == mean
    assert one_row(found, "total").value == pytest.approx(12 * SECONDS + 4 * 248)
    assert one_row(found, "total").unit == "x"
    # The samples at 2 and 497 s are the outermost inside, those at -3 and 502 s the innermost outside.
    assert bounds(one_row(found, "total")) == (12 * 495 + 4 * 245, 12 * 505 + 4 * 250)
    least, most = one_row(found, "min"), one_row(found, "max")
    assert [(row.value, row.n, row.status) for row in (least, most)] == [(12, 4, "ok"), (16, 4, "ok")]
    assert bounds(least) == (12 * 120 / 125, 12 * 130 / 125)
    assert one_row(found, "mean", "client", client="c2").value == 10
    assert one_row(found, "max", "client", client="c1").value == 6


def test_the_load_at_the_edges_is_never_taken_to_be_that_in_the_middle() -> None:
    """All of it happened between 200 and 300 s: extrapolated to the edges it would be more than that."""
    burst = scraped(lambda second: 10 * min(max(second - 200, 0), 100))
    row = one_row(run(THROUGHPUT, [stored(A, "m", burst)]), "total")
    assert judged(row) == (1000, "ok", "")
    assert bounds(row) == (1000, 1000)


def test_a_counter_that_stood_still_is_zero_and_one_that_is_absent_is_unknown() -> None:
    row = one_row(run(THROUGHPUT, [stored(A, "m", rate(0.0))]), "mean")
    assert (judged(row), bounds(row)) == ((0, "ok", ""), (0, 0))
    absent = one_row(run(THROUGHPUT, [stored(A, "other", rate(1.0))]), "mean")
    assert (judged(absent), absent.n) == ((None, "no_data", "metric_absent"), None)
    assert bounds(absent) == (None, None)


def test_a_number_of_which_little_is_certain_is_partial_and_the_advice_says_what_would_do() -> None:
    found = run(THROUGHPUT, [stored(A, "m", rate(3.0))], seconds=25.0)
    row = one_row(found, "total")
    assert row.value == pytest.approx(75)
    assert (bounds(row), row.status, row.reason) == ((60, 90), "partial", "edge_uncertain")
    assert found.advice[-1] == (
        "k.total lies between 60 and 90 x, more than 10% apart: scrape every 1.25 s or measure for 100 s"
    )
    assert found.warnings == ()
    assert (
        one_row(
            run(THROUGHPUT, [stored(A, "m", rate(3.0))], seconds=25.0, max_uncertainty=0.5), "total"
        ).status
        == "ok"
    )


def test_scrapes_that_took_long_and_clocks_that_differ_widen_the_bounds() -> None:
    assert bounds(one_row(run(THROUGHPUT, [stored(A, "m", rate(1.0))], took=3.5), "total")) == (490, 510)
    assert bounds(one_row(run(THROUGHPUT, [stored(A, "m", rate(1.0))], skew=2.5), "total")) == (490, 510)


@pytest.mark.parametrize(
    ("held", "reason"), [(0.0, ""), (0.5, ""), (20.0, "series_born"), (1e6, "series_born")]
)
def test_what_a_counter_held_when_it_was_born_may_have_been_counted_before(held: float, reason: str) -> None:
    born = scraped(lambda second: held + 10 * (second - 202), range(202, 514, 5))
    found = run(THROUGHPUT, [stored(A, "m", rate(10.0)), stored(B, "other", rate(1.0)), stored(B, "m", born)])
    for row in (one_row(found, "mean"), one_row(found, "total", "client", client="c2")):
        assert (row.status, row.reason) == ("partial" if reason else "ok", reason)
    row = one_row(found, "total", "client", client="c2")
    assert row.value == pytest.approx(held + 2980)  # it was not there at 197 s, so it stood at 0
    assert bounds(row) == (2950, held + 3000)
    assert one_row(found, "total", "client", client="c1").status == "ok"


def test_a_target_that_was_first_scraped_in_the_window_had_counted_some_of_it_before() -> None:
    born = scraped(lambda second: 1000 + 10 * (second - 202), range(202, 514, 5))
    row = one_row(run(THROUGHPUT, [stored(A, "m", born)], min_coverage=0.5), "total")
    assert row.value == pytest.approx(2980)
    assert (bounds(row), row.status, row.reason) == ((2950, 4000), "partial", "series_born")


def test_a_counter_that_was_born_and_stood_still_is_not_known_to_be_zero() -> None:
    born = stored(A, "m", dict.fromkeys(scraped(abs, range(202, 514, 5)), 1.0))
    row = one_row(run(THROUGHPUT, [stored(A, "other", rate(1.0)), born]), "total")
    assert (row.status, row.reason, bounds(row)) == ("partial", "series_born", (0, 1))


def test_what_a_reset_lost_has_no_upper_bound() -> None:
    restarted = scraped(lambda second: 10 * second if second < 250 else 10 * (second - 250), range(2, 514, 5))
    found = run(THROUGHPUT, [stored(A, "m", restarted), stored(B, "m", rate(1.0))])
    row = one_row(found, "total", "client", client="c1")
    assert row.reason == "counter_reset"
    assert bounds(row) == (2450 + 2470, math.inf)
    assert one_row(found, "total").reason == "counter_reset"
    assert one_row(found, "total", "client", client="c2").status == "ok"
    assert [target.resets for target in found.coverage] == [1, 0]


def test_a_series_that_ended_may_have_counted_more_than_was_seen() -> None:
    ended = scraped(lambda second: 10 * second, range(-13, 400, 5))
    row = one_row(run(THROUGHPUT, [stored(A, "m", ended), stored(A, "other", rate(1.0))]), "total")
    assert (row.value, row.status, row.reason) == (3970, "partial", "series_ended")
    assert bounds(row) == (3950, math.inf)
    assert row.coverage == 0.8


def test_a_series_that_is_not_in_every_scrape_is_sparse_although_its_target_was_up() -> None:
    some = {time: value for time, value in rate(10.0).items() if not START + 200 < time < START + 300}
    row = one_row(run(THROUGHPUT, [stored(A, "m", some), stored(A, "other", rate(1.0))]), "total")
    assert row.value == pytest.approx(5000)
    assert (row.coverage, row.status, row.reason) == (0.8, "partial", "sparse_series")
    assert bounds(row) == (4950, 5050)


def test_in_a_window_of_one_tile_the_extremes_are_the_mean() -> None:
    found = run(THROUGHPUT, [stored(A, "m", rate(2.0))], seconds=100.0)
    assert [(one_row(found, s).value, one_row(found, s).n) for s in ("mean", "min", "max")] == [(2, 1)] * 3
    for stat in ("mean", "min", "max"):
        assert bounds(one_row(found, stat)) == pytest.approx((1.9, 2.1))


def test_a_window_without_any_scrape_lies_between_those_before_and_after() -> None:
    at = {START - 2: 100.0, START + 3: 110.0}
    found = run(THROUGHPUT, [stored(A, "m", at)], seconds=2.0)
    row = one_row(found, "total")
    assert (row.status, row.reason) == ("partial", "edge_uncertain")
    assert row.value == pytest.approx(4)
    assert bounds(row) == (0, 10)
    assert "window_too_short" in [reason.code for reason in found.reasons]
    gauge = one_row(run(kpi(kind="gauge", metric="m"), [stored(A, "m", at)], seconds=2.0), "mean")
    assert judged(gauge) == (None, "no_data", "window_too_short")


RATIO = kpi(kind="counter", metric="m", per="d", scale=100, stats=["mean", "max"], by=["node"])


def test_a_ratio_is_of_the_sums_and_never_a_mean_of_ratios() -> None:
    found = run(RATIO, [
        stored(A, "m", rate(0.9)), stored(B, "m", rate(0.1)),
        stored(A, "d", rate(1.0)), stored(B, "d", rate(9.0)),
    ])  # fmt: skip
    mean = one_row(found, "mean")
    assert mean.value == pytest.approx(10)
    assert bounds(mean) == pytest.approx((100 * 495 / 5050, 100 * 505 / 4950))
    assert one_row(found, "mean", "node", node="n1").value == pytest.approx(90)
    assert one_row(found, "max").value == pytest.approx(10)


def test_a_share_of_the_same_metric_is_bounded_by_what_both_counted_at_the_edges() -> None:
    share = kpi(kind="counter", metric="m", match='code="5"', per="m", scale=100, stats=["mean"])
    bad, good = stored(A, "m", rate(1.0), code="5"), stored(A, "m", rate(9.0), code="2")
    row = one_row(run(share, [bad, good]), "mean")
    assert row.value == pytest.approx(10)
    assert bounds(row) == pytest.approx((100 * 495 / (495 + 9 * 505), 100 * 505 / (505 + 9 * 495)))


def test_a_share_of_what_was_lost_may_be_all_of_it() -> None:
    """A target that ended may have failed any number of times since its last scrape."""
    share = kpi(kind="counter", metric="m", match='code="5"', per="m", scale=100, stats=["mean"])
    ended = {time: value for time, value in rate(9.0).items() if time < START + 250}
    found = run(share, [
        stored(A, "m", rate(1.0), code="5"), stored(A, "m", rate(9.0), code="2"),
        stored(B, "m", ended, code="2"),
        stored(B, "up", scraped(lambda second: float(second < 250))),
    ])  # fmt: skip
    assert (bounds(one_row(found, "mean")), one_row(found, "mean").reason) == ((0, 100), "series_ended")


def test_a_rate_lies_between_its_bounds_however_it_is_rounded() -> None:
    burst = scraped(lambda second: 203.0 * (second > 50))
    row = one_row(run(THROUGHPUT, [stored(A, "m", burst)], seconds=100.0), "mean")
    assert row.value == row.value_lo == row.value_hi


def test_a_ratio_over_nothing_is_unknown() -> None:
    row = one_row(run(RATIO, [stored(A, "m", rate(1.0)), stored(A, "d", rate(0.0))]), "mean")
    assert judged(row) == (None, "no_data", "divisor_zero")
    row = one_row(run(RATIO, [stored(A, "m", rate(1.0))]), "max")
    assert judged(row) == (None, "no_data", "divisor_zero")


def test_a_ratio_is_as_uncertain_as_the_worse_of_both_sides() -> None:
    born = scraped(lambda second: 10 * second, range(202, 514, 5))
    found = run(RATIO, [stored(A, "m", rate(1.0)), stored(A, "d", born)])
    assert one_row(found, "mean").reason == "series_born"


def test_gauges_are_means_of_series_however_many_samples_each_has() -> None:
    gauge = kpi(kind="gauge", metric="g", stats=["mean", "sum", "min", "max"], by=["gpu", "client"])
    idle = stored(A, "g", scraped(lambda second: 5.0 + 10 * (second % 10 == 2)), gpu="0")
    late = stored(A, "g", scraped(lambda second: 80.0 + 20 * (second % 10 == 2), range(452, 514, 5)), gpu="1")
    found = run(gauge, [idle, late])
    assert [one_row(found, stat).value for stat in ("mean", "sum", "min", "max")] == [50, 100, 5, 100]
    assert (one_row(found, "mean").n, bounds(one_row(found, "mean"))) == (110, (None, None))
    gpu = one_row(found, "mean", "gpu", node="n1", gpu="1")
    assert (gpu.value, gpu.client, gpu.coverage) == (90, "", 0.1)
    assert (gpu.status, gpu.reason) == ("partial", "sparse_series")
    assert one_row(found, "mean", "gpu", node="n1", gpu="0").status == "ok"
    assert one_row(found, "mean").reason == "sparse_series"


def test_a_sample_at_either_edge_of_the_window_is_in_it() -> None:
    gauge = kpi(kind="gauge", metric="g", stats=["min", "max"])
    found = run(gauge, [stored(A, "g", scraped(lambda second: second, range(-15, 516, 5)))])
    assert [one_row(found, stat).value for stat in ("min", "max")] == [0, 500]


def test_spread_and_percentiles_of_a_gauge_are_of_all_samples_together() -> None:
    """A busy GPU beside an idle one: the mean of both medians would be 50."""
    gauge = kpi(kind="gauge", metric="g", stats=["std", "p50", "p25", "p99"], by=["client"])
    times = [102, 202, 302, 402]
    busy, idle = scraped(lambda _: 100.0, times[:1]), dict.fromkeys(scraped(abs, times[1:]), 0.0)
    found = run(gauge, [stored(A, "g", busy), stored(B, "g", idle)], min_coverage=0.0)
    assert [one_row(found, stat).value for stat in ("p50", "p25")] == [0, 0]
    assert one_row(found, "p99").value == pytest.approx(97)
    assert one_row(found, "std").value == pytest.approx(math.sqrt(1875))
    assert one_row(found, "std", "client", client="c2").value == 0
    assert (one_row(found, "p50").n, one_row(found, "p50").status) == (4, "ok")


def test_samples_that_are_not_a_number_are_as_those_that_are_not_there() -> None:
    gauge = kpi(kind="gauge", metric="g", stats=["mean", "p50", "max"], by=["client"])
    some = scraped(lambda second: math.nan if second < 102 else 7.0)
    never = scraped(lambda _: math.nan)
    found = run(gauge, [stored(A, "g", some), stored(B, "g", never)])
    for stat in ("mean", "p50", "max"):
        row = one_row(found, stat, "client", client="c1")
        assert (judged(row), row.n, row.coverage) == ((7, "partial", "sparse_series"), 80, 0.8)
        row = one_row(found, stat, "client", client="c2")
        assert (judged(row), row.n) == ((None, "no_data", "not_a_number"), 0)


SUMMARY = kpi(kind="summary", metric="s", stats=["mean", "p99", "rate", "total"], by=["client"])


def summary(target: dict[str, str], per_second: float, each: float) -> list[Stored]:
    return [
        stored(target, "s_count", rate(per_second)), stored(target, "s_sum", rate(per_second * each)),
    ]  # fmt: skip


def exported(target: dict[str, str], value: float, quantile: str, **labels: str) -> Stored:
    return stored(target, "s", scraped(lambda _: value), quantile=quantile, **labels)


def test_a_summary_has_a_merged_mean_and_percentiles_of_single_targets_only() -> None:
    found = run(SUMMARY, [
        *summary(A, 3.0, 2.0), *summary(B, 1.0, 6.0), exported(A, 9.0, "0.99"), exported(B, 7.0, "0.990"),
    ])  # fmt: skip
    assert [one_row(found, stat).value for stat in ("mean", "rate", "total")] == [3, 4, 6000]
    assert {one_row(found, stat).status for stat in ("mean", "rate", "total")} == {"ok"}
    assert bounds(one_row(found, "mean")) == pytest.approx((3 * 495 / 505, 3 * 505 / 495))
    assert judged(one_row(found, "p99")) == (None, "no_data", "summary_not_mergeable")
    for client, value in (("c1", 9), ("c2", 7)):
        p99 = one_row(found, "p99", "client", client=client)
        assert judged(p99) == (value, "partial", "summary_own_window")


def test_several_summaries_of_one_target_are_not_merged_and_other_quantiles_not_guessed() -> None:
    models = [exported(A, 9.0, "0.99", model="a"), exported(A, 1.0, "0.99", model="b")]
    found = run(SUMMARY, [*summary(A, 3.0, 2.0), *summary(B, 1.0, 6.0), *models, exported(B, 5.0, "0.9")])
    assert one_row(found, "p99", "client", client="c1").reason == "summary_not_mergeable"
    missing = one_row(found, "p99", "client", client="c2")
    assert judged(missing) == (None, "no_data", "quantile_absent")


LATENCY = kpi(kind="histogram", metric="h", scale=1000, stats=["mean", "p99", "count"], by=["client"])


def histogram(target: dict[str, str], each: float, counts: Mapping[str, float]) -> list[Stored]:
    """Return a histogram that observes `counts` (cumulative) in 100 s, each of them `each` s long."""
    total = counts["+Inf"] / 100
    buckets = [stored(target, "h_bucket", rate(n / 100), le=bound) for bound, n in counts.items()]
    return [*buckets, stored(target, "h_count", rate(total)), stored(target, "h_sum", rate(total * each))]


def test_a_histogram_has_the_sum_and_the_rate_of_its_observations() -> None:
    counted = kpi(kind="histogram", metric="h", scale=1000, stats=["total", "rate", "p5"])
    found = run(counted, histogram(A, 0.1, {"1": 50, "+Inf": 50}))
    assert [(one_row(found, s).value, one_row(found, s).unit) for s in ("total", "rate")] == [
        (pytest.approx(25_000), "x/s"), (0.5, "observations/s")
    ]  # fmt: skip
    found = run(counted, histogram(A, 0.1, {"1": 0, "+Inf": 0}))
    assert [(one_row(found, s).value, one_row(found, s).status) for s in ("total", "rate")] == [
        (0, "ok"), (0, "ok")
    ]  # fmt: skip


def test_a_percentile_is_one_quantile_over_everything_observed() -> None:
    """A quiet slow service beside a busy fast one: the mean of both p99s would be 0.5 s."""
    quick = histogram(A, 0.095, {"0.09": 0, "0.1": 9900, "1": 9900, "+Inf": 9900})
    slow = histogram(B, 0.9, {"0.09": 0, "0.1": 0, "1": 10, "+Inf": 10})
    found = run(LATENCY, [*quick, *slow], max_uncertainty=1.0)
    p99 = one_row(found, "p99")
    assert p99.value == pytest.approx(1000 * (0.09 + 0.01 * 0.99 * 9910 / 9900))
    assert (p99.bucket_lo, p99.bucket_hi, p99.n, p99.status) == (90, 100, 5 * 9910, "ok")
    assert bounds(p99) == (90, 100)
    assert one_row(found, "mean").value == pytest.approx(1000 * (940.5 + 9) / 9910)
    assert one_row(found, "p99", "client", client="c2").value == pytest.approx(991)
    assert one_row(found, "count").unit == "observations"


def test_a_percentile_in_a_wide_bucket_says_so() -> None:
    row = one_row(run(LATENCY, histogram(A, 3.0, {"1": 0, "4": 1000, "+Inf": 1000})), "p99")
    assert (row.status, row.reason) == ("partial", "wide_bucket")
    assert row.value == pytest.approx(3970)
    assert bounds(row) == (1000, 4000)


def test_where_the_edges_decide_the_bucket_the_bounds_are_wider_than_it() -> None:
    """All that was slow happened before the first scrape in the window, or before the window."""
    slow = scraped(lambda second: 0.0 if second < 0 else 30.0)
    quick = scraped(lambda second: 0.0 if second < 0 else 4 * second)
    every = {time: quick[time] + slow[time] for time in quick}
    found = run(LATENCY, [
        stored(A, "h_bucket", quick, le="0.9"), stored(A, "h_bucket", quick, le="1"),
        stored(A, "h_bucket", every, le="2"), stored(A, "h_bucket", every, le="+Inf"),
        stored(A, "h_count", every), stored(A, "h_sum", every),
    ], max_uncertainty=0.5)  # fmt: skip
    row = one_row(found, "p99")
    assert (bounds(row), row.bucket_hi) == ((0, 2000), 900)


def test_the_first_bucket_is_capped_by_what_the_mean_allows() -> None:
    """All that is known is that all took less than a second: with a mean of 10 ms, few took 0.9 s."""
    found = run(
        kpi(kind="histogram", metric="h", stats=["p50", "p90"]), histogram(A, 0.01, {"1": 500, "+Inf": 500})
    )
    row = one_row(found, "p50")
    mean_hi = 0.01 * 505 / 495
    assert (row.status, row.reason) == ("partial", "first_bucket")
    assert row.value == pytest.approx(mean_hi / 0.5)
    assert bounds(row) == pytest.approx((0, mean_hi / 0.5))
    assert (row.bucket_lo, row.bucket_hi) == (0, 1)
    assert bounds(one_row(found, "p90")) == pytest.approx((0, mean_hi / 0.1))


def test_a_percentile_of_few_observations_says_so() -> None:
    few = histogram(A, 1.95, {"1.9": 0, "2": 10, "+Inf": 10})
    found = run(kpi(kind="histogram", metric="h", stats=["p50", "p99"]), few)
    assert (one_row(found, "p99").n, one_row(found, "p99").reason) == (50, "few_observations")
    assert one_row(found, "p50").status == "ok"


def test_observations_before_a_histogram_was_first_scraped_may_be_the_windows() -> None:
    late = range(202, 514, 5)
    made = [
        replace(each, samples={t: value for t, value in each.samples.items() if t >= START + late[0]})
        for each in histogram(A, 0.5, {"1": 10, "+Inf": 10})
    ]
    found = run(LATENCY, [*made, stored(A, "other", rate(1.0))])
    rows = [one_row(found, stat) for stat in ("mean", "p99", "count")]
    assert {(row.status, row.reason) for row in rows} == {("partial", "series_born")}


def test_no_observation_has_no_percentile_and_is_not_absent() -> None:
    found = run(LATENCY, histogram(A, 0.1, {"1": 0, "+Inf": 0}))
    for stat in ("mean", "p99"):
        row = one_row(found, stat)
        assert (judged(row), row.n) == ((None, "no_data", "no_observations"), 0)


def test_a_percentile_above_all_buckets_says_so() -> None:
    row = one_row(run(LATENCY, histogram(A, 0.9, {"1": 50, "+Inf": 100})), "p99")
    assert (row.value, row.bucket_lo, row.bucket_hi) == (1000, 1000, math.inf)
    assert (row.status, row.reason) == ("partial", "above_highest_bucket")
    assert bounds(row) == (1000, math.inf)


def test_different_buckets_merge_where_they_agree() -> None:
    mixed = [
        *histogram(A, 1.0, {"1": 50, "2": 100, "+Inf": 100}),
        *histogram(B, 1.0, {"2": 100, "+Inf": 100}),
    ]
    row = one_row(run(LATENCY, mixed), "p99")
    assert (row.value, row.bucket_lo, row.bucket_hi) == pytest.approx((1980, 0, 2000))
    assert (row.status, row.reason) == ("partial", "mixed_buckets")
    assert bounds(row) == (1000, 2000)  # half of A's were above 1 for certain


def test_a_bound_that_changed_its_spelling_is_one_bucket_and_that_is_said() -> None:
    def respelt(le: str, again: str, per_second: float) -> list[Stored]:
        counted = rate(per_second)
        before = {time: value for time, value in counted.items() if time < START + 200}
        after = {time: value for time, value in counted.items() if time >= START + 200}
        return [stored(A, "h_bucket", before, le=le), stored(A, "h_bucket", after, le=again)]

    median = kpi(kind="histogram", metric="h", stats=["p50"], by=["client"])
    series = [
        *respelt("1", "1.0", 0.9), *respelt("2", "2.0", 9.0),
        *histogram(A, 1.5, {"+Inf": 1000}),
        *histogram(B, 1.5, {"1.0": 90, "2.0": 900, "+Inf": 1000}),
    ]  # fmt: skip
    found = run(median, series, max_uncertainty=1.0)
    for row in (one_row(found, "p50", "client", client="c1"), one_row(found, "p50")):
        assert row.value == pytest.approx(1 + 410 / 810)
        assert (row.bucket_hi, row.status, row.reason) == (2, "partial", "buckets_respelt")
    assert one_row(found, "p50", "client", client="c2").status == "ok"


def test_a_histogram_without_buckets_has_a_mean_and_no_percentile() -> None:
    bare = [each for each in histogram(A, 0.5, {"+Inf": 100}) if each.labels["__name__"] != "h_bucket"]
    found = run(LATENCY, bare)
    assert (one_row(found, "mean").value, one_row(found, "mean").status) == (500, "ok")
    assert judged(one_row(found, "p99")) == (None, "no_data", "buckets_missing")
    found = run(LATENCY, [*bare, *histogram(B, 0.95, {"0.9": 0, "1": 1000, "+Inf": 1000})])
    row = one_row(found, "p99")
    assert (row.bucket_hi, row.status, row.reason) == (1000, "partial", "buckets_missing")
    assert bounds(row) == (None, None)


def native(
    of: Course, bucket: tuple[int, str, str] = (0, "1", "2"), each: float = 1.5
) -> dict[float, RawHistogram]:
    return {time: RawHistogram(str(n), str(n * each), [(*bucket, str(n))]) for time, n in scraped(of).items()}


def test_a_native_histogram_is_measured_as_a_classic_one_is() -> None:
    every = kpi(kind="histogram", metric="h", stats=["mean", "p50", "count"], by=["client"])
    found = run(every, [stored(A, "h", native(lambda second: 1000 + 2 * second))], native_histograms=True)
    count = one_row(found, "count")
    assert (bounds(count), count.status) == ((990, 1010), "ok")
    assert count.value == pytest.approx(1000)
    assert one_row(found, "mean").value == pytest.approx(1.5)
    p50 = one_row(found, "p50")
    assert (p50.value, p50.bucket_lo, p50.bucket_hi) == pytest.approx((1.5, 1, 2))
    assert bounds(p50) == (1, 2)
    assert one_row(run(every, [stored(A, "h", native(abs))]), "count").reason == "metric_absent"


def test_a_target_with_both_forms_is_read_by_the_classic_one_and_others_by_the_native_one() -> None:
    both = [
        *histogram(A, 1.5, {"1": 0, "2": 100, "+Inf": 100}),
        stored(A, "h", native(lambda second: 70 * second)),
    ]
    every = kpi(kind="histogram", metric="h", stats=["mean", "p50", "count"], by=["client"])
    series = [*both, stored(B, "h", native(lambda second: 1000 + 3 * second))]
    found = run(every, series, native_histograms=True)
    counts = [one_row(found, "count", "client", client=name).value for name in ("c1", "c2")]
    assert counts == pytest.approx([500, 1500])
    assert one_row(found, "count").value == pytest.approx(2000)
    assert (one_row(found, "p50").bucket_lo, one_row(found, "p50").bucket_hi) == (1, 2)


def test_a_target_that_the_window_is_too_short_for_is_a_reason_of_the_rows_that_leave_it_out() -> None:
    rare = (ExpectedTarget("http://x/", A, float(INTERVAL)), ExpectedTarget("http://x/", B, 600.0))
    begun = {START + SECONDS + 2: 200.0}  # scraped for the first time when the window is over
    found = run(
        kpi(kind="counter", metric="m", by=["client"]), [stored(A, "m", rate(10)), stored(B, "m", begun)],
        A, B, targets=rare,
    )  # fmt: skip
    row = one_row(found, "mean")
    assert row.value == pytest.approx(10)
    assert (row.status, row.reason) == ("partial", "window_too_short")
    assert one_row(found, "mean", "client", client="c1").status == "ok"


def test_a_pack_applies_to_a_window_between_two_scrapes() -> None:
    one_kpi = kpi(kind="counter", metric="m")
    pack = Recipe(name="r", help="h", kpis=(one_kpi,), applies="when_present")
    window = Window("w", START + 3, START + 6)  # scrapes are at 2 and at 7
    (row,) = run(one_kpi, [stored(A, "m", rate(10))], window=window, recipes=(pack,)).rows
    assert row.value == pytest.approx(10)
    assert row.value_lo == 0
    assert row.value_hi == pytest.approx(50 / 3)


def test_the_error_of_a_failed_scrape_is_published_without_what_may_be_secret() -> None:
    error = 'Get "http://me:word@n2:1/metrics?token=abc": dial tcp: connection refused'
    series = [stored(B, "up", scraped(lambda _: 0.0))]
    found = run(kpi(kind="counter", metric="m"), series, active=[{"labels": B, "lastError": error}])
    assert found.coverage[0].error == 'Get "http://n2:1/metrics": dial tcp: connection refused'
    assert (found.coverage[0].failed, found.coverage[0].not_made) == (100, 0)


def test_a_down_target_of_the_same_job_counts_against_the_coverage() -> None:
    series = [
        stored(A, "m", rate(10.0)), stored(OTHER, "other", rate(1.0)),
        stored(B, "up", scraped(lambda _: 0.0)),
    ]  # fmt: skip
    failing = [{"labels": B, "lastError": "connection refused"}, {"labels": A, "lastError": ""}]
    found = run(kpi(kind="counter", metric="m", by=["client"]), series, active=failing)
    row = one_row(found, "mean")
    assert (row.value, row.coverage, row.status, row.reason) == (10, 0, "partial", "low_coverage")
    assert one_row(found, "mean", "client", client="c1").status == "ok"
    down = one_row(found, "mean", "client", client="c2")
    assert (judged(down), down.coverage) == ((None, "no_data", "target_down"), 0)
    assert not [r for r in found.rows if r.client == "c3"]  # another job, which never has this metric
    assert found.status == "partial"
    assert [(t.instance, t.failed, t.error) for t in found.coverage] == [
        ("n3:1", 0, ""), ("n1:1", 0, ""), ("n2:1", 100, "connection refused")
    ]  # fmt: skip


def test_of_a_target_that_failed_all_along_nothing_is_known_but_that() -> None:
    """It was there before the window, and its counter stood at something."""
    up = scraped(lambda second: float(second < 0))
    before = {time: value for time, value in rate(10.0).items() if time < START}
    found = run(THROUGHPUT, [stored(A, "up", up), stored(A, "m", before)])
    assert {judged(row) for row in found.rows} == {(None, "no_data", "target_down")}
    assert found.status == "failed"


def test_why_a_metric_is_absent_depends_on_the_targets_that_fit() -> None:
    down = [stored(A, "up", {START + 2: 0.0})]
    assert one_row(run(THROUGHPUT, down), "mean").reason == "target_down"
    there = [stored(A, "m", rate(1.0))]
    assert one_row(run(THROUGHPUT, there, services=("gpu*",)), "mean").reason == "no_targets"


def test_half_a_window_of_scrapes_is_partial() -> None:
    up = scraped(lambda second: float(second < 250))
    counted = {time: value for time, value in rate(10.0).items() if time < START + 250}
    row = one_row(
        run(kpi(kind="counter", metric="m"), [stored(A, "up", up), stored(A, "m", counted)]), "mean"
    )
    assert (row.coverage, row.status, row.reason) == (0.5, "partial", "series_ended")
    assert row.value == pytest.approx(10 * 247 / 500)
    gauge = stored(A, "g", dict.fromkeys(counted, 1.0))
    row = one_row(run(kpi(kind="gauge", metric="g"), [stored(A, "up", up), gauge]), "mean")
    assert (row.value, row.coverage, row.status, row.reason) == (1, 0.5, "partial", "low_coverage")


def test_coverage_is_that_of_the_worst_target() -> None:
    some = {time: value for time, value in rate(1.0).items() if not START + 200 < time < START + 300}
    others = [{**B, "instance": f"n{number}:1"} for number in range(3, 12)]
    series = [stored(A, "m", some), *(stored(other, "m", rate(1.0)) for other in others)]
    row = one_row(run(kpi(kind="counter", metric="m"), series), "mean")
    assert (row.coverage, row.status, row.reason) == (0.8, "partial", "low_coverage")


def test_an_expression_has_a_value_per_scope_of_its_own() -> None:
    free = kpi(kind="expr", expr="sum by ($by) (e{$selector})", by=["node"], stats=["value"], scale=2)
    answers = {
        "sum by () (e": answer(one(7.0)),
        "sum by (node) (e": answer(one(3.0, node="n1"), one(4.0, node="n2")),
    }
    up = [stored(A, "m", rate(1.0)), stored(B, "m", rate(1.0))]
    found = run(free, up, answers=answers)
    assert [(r.scope, r.node, r.value) for r in found.rows] == [
        ("session", "", 14), ("node", "n1", 6), ("node", "n2", 8)
    ]  # fmt: skip
    several = one_row(run(free, up, answers={"sum by () (e": answer(one(1.0), one(2.0))}), "value")
    assert (several.value, several.reason) == (None, "several_series")


def test_a_refused_expression_costs_its_kpi_and_is_reported() -> None:
    free = kpi(kind="expr", expr="sum by ($by) (e{$selector})", stats=["value"])
    refused = {"sum by () (e": PrometheusError("too many samples")}
    found = run(free, [stored(A, "m", rate(1.0))], raising=refused)
    assert [(judged(row), row.stat) for row in found.rows] == [((None, "error", "query_failed"), "value")]
    assert found.reasons == (Reason("query_failed", "k.session: too many samples"),)
    assert found.status == "partial"
    assert found.timeseries == ()
    assert [q.error for q in found.queries if q.series is None] == ["too many samples"]


def test_samples_that_cannot_be_read_are_reported_and_cost_what_they_were_to_tell() -> None:
    series = [stored(A, "m", rate(1.0)), stored(OTHER, "m", rate(2.0))]
    refused = {'{session="s",job="t"': PrometheusError("too many samples")}
    found = run(THROUGHPUT, series, raising=refused)
    assert one_row(found, "mean").value == 2
    assert found.reasons[0] == Reason("query_failed", "samples: too many samples")
    assert found.status == "partial"


def test_without_the_targets_nothing_is_known() -> None:
    found = run(
        THROUGHPUT, [stored(A, "m", rate(1.0))], raising={"count_over_time(up": PrometheusError("no")}
    )
    assert found.status == "failed"
    assert Reason("query_failed", "targets: no") in found.reasons
    assert one_row(found, "mean").status == "no_data"


@pytest.mark.parametrize("text", ["count_over_time(up", "scrape_samples_scraped", '{session="s",job="t"'])
def test_an_unreachable_prometheus_is_for_the_caller_to_try_again(text: str) -> None:
    with pytest.raises(PrometheusUnavailableError):
        run(THROUGHPUT, [stored(A, "m", rate(1.0))], raising={text: PrometheusUnavailableError("starting")})


def test_queries_warnings_and_added_reasons_are_kept() -> None:
    late = Reason("settle_timeout", "n1:1 was not scraped after the window's end")
    free = kpi(kind="expr", expr="sum by ($by) (e{$selector})", stats=["value"])
    warned = Answer((one(1.0),), ("slow", 'metric might not be a counter, name does not end in "e"'))
    found = run(free, [stored(A, "m", rate(1.0))], answers={"(e{": warned}, extra_reasons=[late])
    assert found.warnings == ("slow",)
    assert (found.status, found.reasons) == ("partial", (late,))
    assert [(q.use, q.series) for q in found.queries] == [
        ("targets", 1), ("targets", 1), ("samples", 3), ("k.session", 1), ("k.session.over_time", 1)
    ]  # fmt: skip
    assert (found.start, found.end) == (5000, 5000)


def test_every_sample_read_is_kept_and_the_scraped_bytes_are_counted() -> None:
    kept: list[tuple[str, int]] = []
    body = stored(A, "scrape_body_size_bytes", scraped(lambda _: 1000.0))
    client = SampleClient([stored(A, "m", rate(1.0)), body, stored(OTHER, "m", rate(1.0))])
    found = collect(
        request_for(THROUGHPUT, A, OTHER),
        client,
        lambda: 0.0,
        keep=lambda job, block: kept.append((job, len(block.times))),
    )
    assert kept == [("node", 3 * len(TIMES)), ("t", 4 * len(TIMES))]
    assert found.scraped_bytes == 100_000
    assert run(THROUGHPUT, [stored(A, "m", rate(1.0))]).scraped_bytes is None


def test_a_client_that_relabelled_its_target_has_one_counter_that_went_on() -> None:
    counted, other = rate(10.0), {**A, "run": "b"}
    before = {time: value for time, value in counted.items() if time < START + 200}
    after = {time: value for time, value in counted.items() if time >= START + 200}
    found = run(THROUGHPUT, [stored(A, "m", before), stored(other, "m", after)], A)
    row = one_row(found, "total")
    assert (row.n, row.status, bounds(row)) == (1, "ok", (4950, 5050))
    assert row.value == pytest.approx(5000)


PACK = Recipe.model_validate(
    {"name": "pack", "help": "h", "applies": "when_present",
     "kpis": [{"name": "p", "help": "h", "unit": "x", "kind": "gauge", "metric": "g", "stats": ["max"]}]}
)  # fmt: skip


@pytest.mark.parametrize(
    ("present", "named", "applies"),
    [((), (), False), (("g",), (), True), ((), ("pack",), True)],
)
def test_a_pack_applies_when_its_metrics_are_there_or_its_name_is_given(
    present: tuple[str, ...], named: tuple[str, ...], applies: bool
) -> None:
    always = Recipe(name="r", help="h", kpis=(THROUGHPUT,))
    window = Window("w", START, START + SECONDS, recipes=named)
    request = CollectionRequest("s", window, (), 5.0, 0.95, (always, PACK))
    client = SampleClient([stored(A, name, rate(1.0)) for name in ("other", *present)])
    found = collect(request, client, now=lambda: 0.0)
    assert ("p" in {row.kpi for row in found.rows}) is applies
    assert "k" in {row.kpi for row in found.rows}
    assert ("pack" in {recipe.name for recipe in found.request.recipes}) is applies


def test_a_pack_whose_metric_ended_before_the_window_does_not_apply() -> None:
    request = CollectionRequest("s", Window("w", START, START + SECONDS), (), 5.0, 0.95, (PACK,))
    before = {time: value for time, value in rate(1.0).items() if time < START}
    found = collect(request, SampleClient([stored(A, "g", before), stored(A, "m", rate(1.0))]), lambda: 0.0)
    assert (found.rows, found.request.recipes) == ((), ())


@pytest.mark.parametrize("kind", ["counter", "gauge", "histogram", "summary"])
def test_a_kpi_is_read_from_the_first_of_its_metrics_that_the_window_holds(kind: str) -> None:
    several = kpi(kind=kind, metric=["new", {"name": "old", "match": 'a="b"', "scale": 100.0}, "oldest"])
    suffixes = ("_count", "_sum") if kind in {"histogram", "summary"} else ("",)
    series = [
        stored(A, f"{name}{suffix}", rate(per_second), a=a)
        for suffix in suffixes
        for name, a, per_second in (("old", "b", 1.0), ("old", "c", 5.0), ("oldest", "b", 7.0))
    ]
    collection = run(several, series)
    (used,) = collection.request.recipes[0].kpis
    assert (used.metric, used.scale) == ("old", 100.0)
    row = one_row(collection, "mean")
    # 1 per second, or a sum by a count that grow alike; the gauge's values are those of the counter.
    middle = 1000 + sum(second for second in TIMES if 0 <= second <= SECONDS) / 100
    assert row.value == pytest.approx(100 * (middle if kind == "gauge" else 1))


def test_the_share_of_observations_under_a_threshold_is_in_percent() -> None:
    shares = {"0.25": 0.9, "1": 0.98, "+Inf": 1.0}
    series = [stored(A, "h_bucket", rate(10 * share), le=le) for le, share in shares.items()]
    series += [stored(A, "h_count", rate(10)), stored(A, "h_sum", rate(1))]
    one_kpi = kpi(kind="histogram", metric="h", unit="ms", scale=1000, stats=["under 250 ms", "under 0.5 s"])
    exact, inside = run(one_kpi, series).rows
    assert (exact.stat, exact.unit, exact.n) == ("under 250 ms", "%", 5000)
    assert exact.value == pytest.approx(90, rel=0.01)
    assert exact.value_lo is not None
    assert exact.value_hi is not None
    assert exact.value_lo < 90 < exact.value_hi
    assert inside.value == pytest.approx(90 + 8 / 3, rel=0.01)
    assert inside.value_hi == pytest.approx(98, abs=0.5)


@pytest.mark.parametrize(
    ("stat", "unit"), [("under 250 MB", "ms"), ("under 250ms", "requests"), ("under ms", "ms")]
)
def test_a_threshold_must_be_in_a_unit_of_the_kpi(stat: str, unit: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be converted|has no stat"):
        kpi(kind="histogram", metric="h", unit=unit, stats=[stat])


def cooling(second: float) -> float:
    """Return a counter of 10 a second for 100 seconds, and of 1 a second afterwards."""
    return 1e4 + 10 * min(second, 100) + max(second - 100, 0)


def test_a_warm_up_is_kept_but_not_measured() -> None:
    busy_at_first = stored(A, "m", scraped(cooling))
    one_kpi = kpi(kind="counter", metric="m")
    window = Window("w1", START, START + SECONDS, warmup=150.0, cooldown=50.0)
    (row,) = run(one_kpi, [busy_at_first], window=window).rows
    assert row.value == pytest.approx(1)
    assert row.value_lo is not None
    assert row.value_hi is not None
    assert row.value_lo * 300 == pytest.approx(295, abs=0.1)
    assert row.value_hi * 300 == pytest.approx(305, abs=0.1)
    kept: list[float] = []
    request = request_for(one_kpi, A, window=window)
    found = collect(
        request, SampleClient([busy_at_first]), keep=lambda _, block: kept.extend(block.times / 1000)
    )
    assert min(kept) < START
    assert found.coverage[0].expected_scrapes == 60
    (course,) = found.timeseries
    assert course.moments[-1].elapsed_s == SECONDS - 50


def test_a_recipe_may_have_a_warm_up_of_its_own() -> None:
    busy_at_first = stored(A, "m", scraped(cooling))
    one_kpi = kpi(kind="counter", metric="m")
    recipes = tuple(
        Recipe.model_validate({"name": name, "help": "h", "kpis": [one_kpi], "warmup": warmup})
        for name, warmup in (("cold", None), ("warm", "150s"))
    )
    cold, warm = run(one_kpi, [busy_at_first], recipes=recipes).rows
    assert warm.value == pytest.approx(1)
    assert cold.value == pytest.approx((1000 + 400) / 500, rel=0.01)


def test_a_window_that_is_all_warm_up_is_measured_whole_and_says_so() -> None:
    window = Window("w1", START, START + SECONDS, warmup=500.0)
    found = run(kpi(kind="counter", metric="m"), [stored(A, "m", rate(2))], window=window)
    assert found.rows[0].value == pytest.approx(2)
    assert [reason.code for reason in found.reasons] == ["warmup_too_long"]
