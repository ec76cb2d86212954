"""From Prometheus's answers to rows: what is true, what is partial, and what is unknown."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.collect.verdict import Reason
from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.prometheus.api.series import Answer
from monitord.recipes.model import Kpi, Recipe
from monitord.windows.model import Window
from tests.fakes.query_client import FakeQueryClient, answer, series

A = {"job": "t", "instance": "n1:1", "client": "c1", "service": "t", "node": "n1"}
B = {"job": "t", "instance": "n2:1", "client": "c2", "service": "t", "node": "n2"}
OTHER = {"job": "node", "instance": "n3:1", "client": "c3", "node": "n3"}
UP = {t + 2.0: 1.0 for t in range(0, 100, 5)}
HALF_UP = {t + 2.0: float(t < 50) for t in range(0, 100, 5)}


def kpi(**keys: Any) -> Kpi:
    return Kpi.model_validate({"name": "k", "help": "h", "unit": "x/s", "stats": ["mean"], **keys})


def run(
    one: Kpi, answers: Mapping[str, Answer | Exception], *targets: dict[str, str], **changes: Any
) -> CollectedWindow:
    up = answer(*(series(UP, **labels) for labels in targets))
    declared = tuple(ExpectedTarget("http://x/metrics", labels, 5.0) for labels in targets)
    recipe = Recipe(name="r", help="h", kpis=(one,), services=changes.pop("services", ("*",)))
    request = CollectionRequest("s", Window("w1", 0.0, 100.0), declared, 5.0, 0.95, (recipe,))
    client = FakeQueryClient({"up{": up, **answers})
    return collect(request, client, now=lambda: 500.0, **changes)


def one_row(collection: CollectedWindow, stat: str, scope: str = "session", **labels: str) -> KpiRow:
    (row,) = (
        r
        for r in collection.rows
        if (r.stat, r.scope) == (stat, scope) and all(getattr(r, k) == v for k, v in labels.items())
    )
    return row


THROUGHPUT = kpi(kind="counter", metric="m", stats=["mean", "rate", "min", "max", "total"], by=["client"])
COUNTED = answer(series(2.0, **A), series(1.0, **B))


def test_a_counter_over_the_window_and_its_extremes_over_whole_steps() -> None:
    rates = answer(series({20.0: 1.0, 40.0: 5.0, 60.0: 2.0}, **A), series({40.0: 10.0, 60.0: 20.0}, **B))
    answers = {
        "count_over_time(m": COUNTED,
        "increase(m": answer(series(300.0, **A), series(700.0, **B)),
        "rate(m": rates,
    }
    found = run(THROUGHPUT, answers, A, B)
    mean = one_row(found, "mean")
    assert (mean.value, mean.n, mean.unit, mean.status, mean.coverage) == (10, 3, "x/s", "ok", 1)
    assert replace(one_row(found, "rate"), stat="mean") == mean
    # At 20 s one of the two has no rate: 1.0 would be the rate of half of them, not a minimum.
    low, high = one_row(found, "min"), one_row(found, "max")
    assert (low.value, low.n, low.status, low.reason) == (15, 2, "partial", "steps_missing")
    assert high.value == 22
    assert (one_row(found, "total").value, one_row(found, "total").unit) == (1000, "x")
    assert one_row(found, "mean", "client", client="c2").value == 7
    assert one_row(found, "max", "client", client="c1").value == 5


def test_a_counter_that_stood_still_is_zero_and_one_that_is_absent_is_unknown() -> None:
    still = {"count_over_time(m": COUNTED, "increase(m": answer(series(0.0, **A), series(0.0, **B))}
    assert one_row(run(THROUGHPUT, still, A, B), "mean").value == 0
    absent = one_row(run(THROUGHPUT, {}, A, B), "mean")
    assert (absent.value, absent.n, absent.status, absent.reason) == (
        None,
        None,
        "no_data",
        "metric_absent",
    )


@pytest.mark.parametrize(
    ("held", "reason"), [(0.0, ""), (0.5, ""), (2.0, "series_born"), (1e6, "series_born")]
)
def test_what_a_counter_held_when_it_was_born_is_said_to_be_missing(held: float, reason: str) -> None:
    answers = {
        "count_over_time(m": COUNTED,
        "increase(m": answer(series(300.0, **A), series(700.0, **B)),
        "unless last_over_time(m": answer(series(held, **B)),
    }
    found = run(THROUGHPUT, answers, A, B)
    for row in (one_row(found, "mean"), one_row(found, "total", "client", client="c2")):
        assert (row.status, row.reason) == ("partial" if reason else "ok", reason)
    assert one_row(found, "total").value == 1000
    assert one_row(found, "total", "client", client="c1").status == "ok"


def test_a_counter_that_was_born_and_stood_still_is_not_known_to_be_zero() -> None:
    answers = {
        "count_over_time(m": answer(series(1.0, **A)),
        "increase(m": answer(series(0.0, **A)),
        "unless last_over_time(m": answer(series(1.0, **A)),
    }
    row = one_row(run(THROUGHPUT, answers, A), "total")
    assert (row.value, row.status, row.reason) == (0, "partial", "series_born")


def test_a_counter_with_one_sample_is_unknown_or_missing_from_the_sum() -> None:
    row = one_row(run(THROUGHPUT, {"count_over_time(m": COUNTED}, A, B), "mean")
    assert (row.value, row.status, row.reason) == (None, "no_data", "too_few_samples")
    some = {"count_over_time(m": COUNTED, "increase(m": answer(series(300.0, **A))}
    row = one_row(run(THROUGHPUT, some, A, B), "mean")
    assert (row.value, row.n, row.status, row.reason) == (3, 2, "partial", "too_few_samples")


def test_in_a_window_of_one_step_the_extremes_are_the_mean() -> None:
    recipe = Recipe(name="r", help="h", kpis=(THROUGHPUT,))
    request = CollectionRequest("s", Window("w", 0.0, 30.0), (), 5.0, 0.95, (recipe,))
    client = FakeQueryClient({"count_over_time(m": COUNTED, "increase(m": answer(series(60.0, **A))})
    found = collect(request, client, now=lambda: 0.0)
    assert [(one_row(found, s).value, one_row(found, s).n) for s in ("mean", "min", "max")] == [
        (2, 2), (2, 1), (2, 1)
    ]  # fmt: skip
    assert not any("rate(" in asked for asked in client.asked)


RATIO = kpi(kind="counter", metric="m", per="d", scale=100, stats=["mean", "max"], by=["node"])


def test_a_ratio_is_of_the_sums_and_never_a_mean_of_ratios() -> None:
    answers = {
        "count_over_time(m": COUNTED,
        "increase(m": answer(series(90.0, **A), series(10.0, **B)),
        "increase(d": answer(series(100.0, **A), series(900.0, **B)),
        "rate(m": answer(series({20.0: 0.9, 40.0: 0.1}, **A), series({20.0: 0.1, 40.0: 0.1}, **B)),
        "rate(d": answer(series({20.0: 1.0, 40.0: 1.0}, **A), series({20.0: 9.0, 40.0: 1.0}, **B)),
    }
    found = run(RATIO, answers, A, B)
    assert one_row(found, "mean").value == 10
    assert one_row(found, "mean", "node", node="n1").value == 90
    assert one_row(found, "max").value == pytest.approx(10)


def test_a_ratio_over_nothing_is_unknown() -> None:
    answers = {
        "count_over_time(m": COUNTED,
        "increase(m": answer(series(0.0, **A)),
        "increase(d": answer(series(0.0, **A)),
    }
    row = one_row(run(RATIO, answers, A, B), "mean")
    assert (row.value, row.status, row.reason) == (None, "no_data", "divisor_zero")


def test_gauges_merge_by_their_samples() -> None:
    gauge = kpi(kind="gauge", metric="g", stats=["mean", "min", "max"], by=["gpu", "client"])
    answers = {
        "count_over_time(g": answer(series(30.0, **A, gpu="0"), series(10.0, **A, gpu="1")),
        "sum_over_time(g": answer(series(300.0, **A, gpu="0"), series(900.0, **A, gpu="1")),
        "min_over_time(g": answer(series(5.0, **A, gpu="0"), series(80.0, **A, gpu="1")),
        "max_over_time(g": answer(series(15.0, **A, gpu="0"), series(95.0, **A, gpu="1")),
    }
    found = run(gauge, answers, A)
    assert [one_row(found, stat).value for stat in ("mean", "min", "max")] == [30, 5, 95]
    assert one_row(found, "mean").n == 40
    gpu = one_row(found, "mean", "gpu", node="n1", gpu="1")
    assert (gpu.value, gpu.client, gpu.coverage) == (90, "", 1)


def test_spread_and_percentiles_of_a_gauge_are_of_all_samples_together() -> None:
    """A busy GPU beside an idle one: the mean of both medians would be 50."""
    gauge = kpi(kind="gauge", metric="g", stats=["std", "p50", "p25", "p99"], by=["client"])
    answers = {
        "count_over_time(g": answer(series(1.0, **A), series(3.0, **B)),
        "g{session": answer(series({1.0: 100.0}, **A), series({1.0: 0.0, 2.0: 0.0, 3.0: 0.0}, **B)),
    }
    found = run(gauge, answers, A, B)
    assert [one_row(found, stat).value for stat in ("p50", "p25")] == [0, 0]
    assert one_row(found, "p99").value == pytest.approx(97)
    assert one_row(found, "std").value == pytest.approx(math.sqrt(1875))
    assert one_row(found, "std", "client", client="c2").value == 0
    assert (one_row(found, "p50").n, one_row(found, "p50").status) == (4, "ok")


def test_samples_that_are_not_a_number_are_left_out_of_percentiles_and_that_is_said() -> None:
    gauge = kpi(kind="gauge", metric="g", stats=["p50", "std"], by=["client"])
    answers = {
        "count_over_time(g": answer(series(3.0, **A), series(1.0, **B)),
        "g{session": answer(series({1.0: 4.0, 2.0: math.nan, 3.0: 6.0}, **A), series(math.nan, **B)),
    }
    found = run(gauge, answers, A, B)
    for stat, value in (("p50", 5), ("std", 1)):
        row = one_row(found, stat)
        assert (row.value, row.n, row.status, row.reason) == (value, 2, "partial", "not_a_number")
    row = one_row(found, "p50", "client", client="c2")
    assert (row.value, row.n, row.status, row.reason) == (None, 0, "no_data", "not_a_number")


def test_what_is_not_a_number_is_unknown() -> None:
    gauge = kpi(kind="gauge", metric="g", stats=["mean", "max"])
    answers = {
        "count_over_time(g": answer(series(3.0, **A), series(3.0, **B)),
        "sum_over_time(g": answer(series(math.nan, **A), series(3.0, **B)),
        "max_over_time(g": answer(series(math.nan, **A), series(1.0, **B)),
    }
    found = run(gauge, answers, A, B)
    mean, most = one_row(found, "mean"), one_row(found, "max")
    assert (mean.value, mean.status, mean.reason) == (None, "no_data", "not_a_number")
    assert (most.value, most.status, most.reason) == (1, "partial", "not_a_number")


LATENCY = kpi(kind="histogram", metric="h", scale=1000, stats=["mean", "p99", "count"], by=["client"])


SUMMARY = kpi(kind="summary", metric="s", stats=["mean", "p99", "rate", "total"], by=["client"])


def quantiles(*each: Any) -> dict[str, Answer | Exception]:
    return {
        "count_over_time(s_count": answer(series(1.0, **A), series(1.0, **B)),
        "increase(s_count": answer(series(30.0, **A), series(10.0, **B)),
        "increase(s_sum": answer(series(60.0, **A), series(60.0, **B)),
        "last_over_time(s{": answer(*each),
    }


def test_a_summary_has_a_merged_mean_and_percentiles_of_single_targets_only() -> None:
    one, other = series(9.0, **A, quantile="0.99"), series(7.0, **B, quantile="0.990")
    found = run(SUMMARY, quantiles(one, other), A, B)
    assert [one_row(found, stat).value for stat in ("mean", "rate", "total")] == [3, 0.4, 120]
    assert {one_row(found, stat).status for stat in ("mean", "rate", "total")} == {"ok"}
    p99 = one_row(found, "p99")
    assert (p99.value, p99.status, p99.reason) == (None, "no_data", "summary_not_mergeable")
    for client, value in (("c1", 9), ("c2", 7)):
        p99 = one_row(found, "p99", "client", client=client)
        assert (p99.value, p99.status, p99.reason) == (value, "partial", "summary_own_window")


def test_several_summaries_of_one_target_are_not_merged_and_other_quantiles_not_guessed() -> None:
    models = [series(9.0, **A, quantile="0.99", model="a"), series(1.0, **A, quantile="0.99", model="b")]
    found = run(SUMMARY, quantiles(*models, series(5.0, **B, quantile="0.9")), A, B)
    assert one_row(found, "p99", "client", client="c1").reason == "summary_not_mergeable"
    missing = one_row(found, "p99", "client", client="c2")
    assert (missing.value, missing.status, missing.reason) == (None, "no_data", "quantile_absent")


def test_a_histogram_has_the_sum_and_the_rate_of_its_observations() -> None:
    counted = kpi(kind="histogram", metric="h", scale=1000, stats=["total", "rate", "p5"])
    count, observed = answer(series(50.0, **A)), answer(series(5.0, **A))
    answers = latency(*buckets(A, l1=50.0, lInf=50.0), count=count, total=observed)
    found = run(counted, answers, A)
    assert [(one_row(found, s).value, one_row(found, s).unit) for s in ("total", "rate")] == [
        (5000, "x/s"), (0.5, "observations/s")
    ]  # fmt: skip
    assert one_row(found, "p5").value == pytest.approx(50)
    idle = latency(count=answer(series(0.0, **A)), total=answer(series(0.0, **A)))
    found = run(counted, idle, A)
    assert [(one_row(found, s).value, one_row(found, s).status) for s in ("total", "rate")] == [
        (0, "ok"), (0, "ok")
    ]  # fmt: skip


def buckets(labels: dict[str, str], **counts: float) -> list[Any]:
    return [series(n, **labels, le=le.replace("_", ".")[1:]) for le, n in counts.items()]


def latency(*bucket_series: Any, count: Answer, total: Answer) -> dict[str, Answer | Exception]:
    return {
        "count_over_time(h_count": count,
        "increase(h_count": count,
        "increase(h_sum": total,
        "increase(h_bucket": answer(*bucket_series),
    }


def test_a_percentile_is_one_quantile_over_everything_observed() -> None:
    """A quiet slow service beside a busy fast one: the mean of both p99s would be 0.5 s."""
    quick = buckets(A, l0_1=9900.0, l1=9900.0, lInf=9900.0)
    slow = buckets(B, l0_10=0.0, l1_0=10.0, lInf=10.0)
    answers = latency(
        *quick,
        *slow,
        count=answer(series(9900.0, **A), series(10.0, **B)),
        total=answer(series(495.0, **A), series(9.0, **B)),
    )
    found = run(LATENCY, answers, A, B)
    p99 = one_row(found, "p99")
    assert p99.value == pytest.approx(1000 * 0.1 * 0.99 * 9910 / 9900)
    assert (p99.bucket_lo, p99.bucket_hi, p99.n, p99.status) == (0, 100, 9910, "ok")
    assert one_row(found, "mean").value == pytest.approx(1000 * 504 / 9910)
    assert one_row(found, "p99", "client", client="c2").value == pytest.approx(991)
    assert (one_row(found, "count").value, one_row(found, "count").unit) == (
        9910,
        "observations",
    )


def test_observations_before_a_histogram_was_first_scraped_are_said_to_be_missing() -> None:
    count, total = answer(series(10.0, **A)), answer(series(5.0, **A))
    answers = latency(*buckets(A, l1=10.0, lInf=10.0), count=count, total=total)
    found = run(LATENCY, answers | {"unless last_over_time(h_count": answer(series(3.0, **A))}, A)
    rows = [one_row(found, stat) for stat in ("mean", "p99", "count")]
    assert {(row.status, row.reason) for row in rows} == {("partial", "series_born")}
    assert rows[0].value == 500


def test_no_observation_has_no_percentile_and_is_not_absent() -> None:
    answers = latency(
        *buckets(A, l1=0.0, lInf=0.0),
        count=answer(series(0.0, **A)),
        total=answer(series(0.0, **A)),
    )
    for stat in ("mean", "p99"):
        row = one_row(run(LATENCY, answers, A), stat)
        assert (row.value, row.n, row.status, row.reason) == (None, 0, "no_data", "no_observations")


def test_a_percentile_above_all_buckets_says_so() -> None:
    answers = latency(
        *buckets(A, l1=5.0, lInf=10.0),
        count=answer(series(10.0, **A)),
        total=answer(series(9.0, **A)),
    )
    row = one_row(run(LATENCY, answers, A), "p99")
    assert (row.value, row.bucket_lo, row.bucket_hi) == (1000, 1000, math.inf)
    assert (row.status, row.reason) == ("partial", "above_highest_bucket")


def test_different_buckets_merge_where_they_agree() -> None:
    mixed = [*buckets(A, l1=5.0, l2=10.0, lInf=10.0), *buckets(B, l2=10.0, lInf=10.0)]
    count = answer(series(10.0, **A), series(10.0, **B))
    row = one_row(run(LATENCY, latency(*mixed, count=count, total=count), A, B), "p99")
    assert (row.value, row.bucket_lo, row.bucket_hi) == (1980, 0, 2000)
    assert (row.status, row.reason) == ("partial", "mixed_buckets")


def test_a_bound_that_changed_its_spelling_is_one_bucket_and_that_is_said() -> None:
    respelt = [*buckets(A, l1=4.0, l1_0=5.0, lInf=10.0), *buckets(B, l1_0=10.0, lInf=10.0)]
    count = answer(series(10.0, **A), series(10.0, **B))
    found = run(LATENCY, latency(*respelt, count=count, total=count), A, B)
    assert one_row(found, "p99", "client", client="c1").reason == "above_highest_bucket"
    assert one_row(found, "p99", "client", client="c2").status == "ok"
    median = kpi(kind="histogram", metric="h", stats=["p50"], by=["client"])
    found = run(median, latency(*respelt, count=count, total=count), A, B)
    row = one_row(found, "p50", "client", client="c1")
    assert row.value == pytest.approx(5 / 9)
    assert (row.bucket_hi, row.status, row.reason) == (1, "partial", "buckets_respelt")
    assert one_row(found, "p50").reason == "buckets_respelt"


def test_a_histogram_without_buckets_has_a_mean_and_no_percentile() -> None:
    count, total = answer(series(10.0, **A)), answer(series(5.0, **A))
    found = run(LATENCY, latency(count=count, total=total), A)
    assert (one_row(found, "mean").value, one_row(found, "mean").status) == (500, "ok")
    assert one_row(found, "p99").reason == "buckets_missing"


def test_a_down_target_of_the_same_job_counts_against_the_coverage() -> None:
    answers = {
        "up{": answer(series(UP, **A), series(dict.fromkeys(UP, 0.0), **B), series(UP, **OTHER)),
        "count_over_time(m": answer(series(1.0, **A)),
        "increase(m": answer(series(10.0, **A)),
    }
    found = run(kpi(kind="counter", metric="m", by=["client"]), answers, A, B, OTHER)
    row = one_row(found, "mean")
    assert (row.coverage, row.status, row.reason) == (0.5, "partial", "low_coverage")
    assert one_row(found, "mean", "client", client="c1").status == "ok"
    down = one_row(found, "mean", "client", client="c2")
    assert (down.value, down.coverage, down.status, down.reason) == (
        None,
        0,
        "no_data",
        "target_down",
    )
    assert not [r for r in found.rows if r.client == "c3"]  # another job, which never has this metric
    assert found.status == "partial"


def test_why_a_metric_is_absent_depends_on_the_targets_that_fit() -> None:
    down: dict[str, Answer | Exception] = {"up{": answer(series({2.0: 0.0}, **A))}
    assert one_row(run(THROUGHPUT, down, A), "mean").reason == "target_down"
    assert one_row(run(THROUGHPUT, {}, A, services=("gpu*",)), "mean").reason == "no_targets"


def test_an_expression_has_a_value_per_scope_of_its_own() -> None:
    free = kpi(kind="expr", expr="sum by ($by) (e{$selector})", by=["node"], stats=["value"], scale=2)
    answers: dict[str, Answer | Exception] = {
        "sum by () (e": answer(series(7.0)),
        "sum by (node) (e": answer(series(3.0, node="n1"), series(4.0, node="n2")),
    }
    found = run(free, answers, A, B)
    assert [(r.scope, r.node, r.value) for r in found.rows] == [
        ("session", "", 14), ("node", "n1", 6), ("node", "n2", 8)
    ]  # fmt: skip
    several = one_row(run(free, {"sum by () (e": answer(series(1.0), series(2.0))}, A), "value")
    assert (several.value, several.reason) == (None, "several_series")


def test_a_refused_query_costs_its_kpi_and_is_told() -> None:
    answers: dict[str, Answer | Exception] = {"increase(m": PrometheusError("too many samples")}
    found = run(THROUGHPUT, answers, A)
    assert {(r.status, r.reason, r.value) for r in found.rows} == {("error", "query_failed", None)}
    assert [r.stat for r in found.rows] == ["mean", "rate", "min", "max", "total"]
    assert found.reasons == (Reason("query_failed", "k.increase: too many samples"),)
    assert found.status == "partial"
    assert [q.error for q in found.queries if q.series is None] == ["too many samples"]


def test_without_the_scrapes_outcomes_nothing_is_known_of_the_targets() -> None:
    found = run(THROUGHPUT, {"up{": PrometheusError("no")}, A)
    assert (found.coverage, found.status) == ((), "failed")
    assert [reason.code for reason in found.reasons] == ["query_failed"]


def test_an_unreachable_prometheus_is_for_the_caller_to_try_again() -> None:
    with pytest.raises(PrometheusUnavailableError):
        run(THROUGHPUT, {"increase(m": PrometheusUnavailableError("starting")}, A)


def test_queries_warnings_and_added_reasons_are_kept() -> None:
    counted = Answer((series(1.0, **A),), ("slow",))
    late = Reason("settle_timeout", "n1:1 was not scraped after the window's end")
    found = run(THROUGHPUT, {"count_over_time(m": counted}, A, extra_reasons=[late])
    assert found.warnings == ("slow",)
    assert (found.status, found.reasons) == ("partial", (late,))
    assert [q.use for q in found.queries] == [
        "coverage", "resets", "own_cost", "k.series", "k.increase", "k.uncounted", "k.rates"
    ]  # fmt: skip
    assert (found.start, found.end) == (500, 500)


def test_half_a_window_of_scrapes_is_partial() -> None:
    answers: dict[str, Answer | Exception] = {
        "up{": answer(series(HALF_UP, **A)),
        "count_over_time(m": answer(series(1.0, **A)),
        "increase(m": answer(series(10.0, **A)),
    }
    row = one_row(run(kpi(kind="counter", metric="m"), answers, A), "mean")
    assert (row.coverage, row.status, row.reason) == (0.5, "partial", "low_coverage")


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
    window = Window("w", 0.0, 100.0, recipes=named)
    request = CollectionRequest("s", window, (), 5.0, 0.95, (always, PACK))
    there = answer(*(series(1.0, __name__=name, job="t") for name in present))
    client = FakeQueryClient({"group by (__name__": there})
    found = collect(request, client, now=lambda: 0.0)
    assert ("p" in {row.kpi for row in found.rows}) is applies
    assert "k" in {row.kpi for row in found.rows}
    assert (PACK in found.request.recipes) is applies
    assert ("recipes" in {query.use for query in found.queries}) is not bool(named)


def test_when_it_cannot_be_asked_which_packs_apply_that_is_told() -> None:
    request = CollectionRequest("s", Window("w", 0.0, 100.0), (), 5.0, 0.95, (PACK,))
    client = FakeQueryClient({"group by (__name__": PrometheusError("too many series")})
    found = collect(request, client, now=lambda: 0.0)
    assert (found.rows, found.request.recipes) == ((), ())
    assert found.reasons[0] == Reason("query_failed", "recipes: too many series")
