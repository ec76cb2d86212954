"""What each kind reads, and the PromQL that comes nearest to it."""

from __future__ import annotations

from typing import Any

import pytest

from monitord.kpis.kind import MetricKind
from monitord.kpis.kinds import kind_of
from monitord.kpis.span import Span
from monitord.recipes.model import Kpi

SPAN = Span("bench01", 1000.0, 1100.123, 5.0)


def kpi(**keys: Any) -> Kpi:
    return Kpi.model_validate({"name": "k", "help": "h", "unit": "x/s", "stats": ["mean"], **keys})


def sources(**keys: Any) -> list[tuple[str, ...]]:
    one = kpi(**keys)
    kind = kind_of(one.kind)
    assert isinstance(kind, MetricKind)
    return [tuple(source) for source in kind.sources(one)]


def promql(span: Span = SPAN, services: tuple[str, ...] = ("*",), **keys: Any) -> dict[str, str]:
    one = kpi(**keys)
    return kind_of(one.kind).nearest_promql(one, services, span)


def test_a_counter_and_what_divides_it_are_read_each_with_its_own_matchers() -> None:
    ratio = {"kind": "counter", "metric": "bad_total", "match": 'code="5"', "per": 'all_total{code!=""}'}
    assert sources(**ratio) == [("counter", "bad_total", 'code="5"'), ("divisor", "all_total", 'code!=""')]
    assert sources(kind="counter", metric="a") == [("counter", "a", "")]
    assert sources(kind="counter", metric="a", per="b")[1] == ("divisor", "b", "")


def test_a_histogram_is_read_by_its_parts_and_its_buckets_for_percentiles_alone() -> None:
    parts = [("count", "h_count", 'a="b"'), ("sum", "h_sum", 'a="b"')]
    assert sources(kind="histogram", metric="h", match='a="b"') == parts
    with_buckets = sources(kind="histogram", metric="h", match='a="b"', stats=["p99"])
    assert with_buckets == [*parts, ("buckets", "h_bucket", 'a="b"')]
    kind = kind_of("histogram")
    assert isinstance(kind, MetricKind)
    native = kind.native_source(kpi(kind="histogram", metric="h", match='a="b"'))
    assert native == ("native", "h", 'a="b"')


def test_a_summary_is_read_by_its_own_quantiles() -> None:
    parts = [("count", "s_count", ""), ("sum", "s_sum", "")]
    assert sources(kind="summary", metric="s") == parts
    assert sources(kind="summary", metric="s", stats=["p99"]) == [*parts, ("quantiles", "s", 'quantile!=""')]
    kind = kind_of("summary")
    assert isinstance(kind, MetricKind)
    assert kind.native_source(kpi(kind="summary", metric="s")) is None


def test_the_promql_nearest_to_a_counter() -> None:
    found = promql(kind="counter", metric="a", stats=["mean", "rate", "total", "max"])
    rate = 'sum(rate(a{session="bench01"}[100123ms]))'
    assert found == {"mean": rate, "rate": rate, "total": 'sum(increase(a{session="bench01"}[100123ms]))'}


def test_a_ratio_narrows_both_counters_to_the_session_and_services() -> None:
    ratio = promql(
        services=("triton-*", "v?"), kind="counter", metric="bad", match='code="5"', per='all{code!=""}'
    )  # fmt: skip
    jobs = r'session="bench01",job=~"triton\\-.*|v."'
    assert ratio == {
        "mean": f'sum(increase(bad{{{jobs},code="5"}}[100123ms]))'
        f' / sum(increase(all{{{jobs},code!=""}}[100123ms]))'
    }
    plain = promql(kind="counter", metric="bad", per="all")["mean"]
    assert plain.endswith('sum(increase(all{session="bench01"}[100123ms]))')


def test_what_is_distinct_counts_once_in_promql_too() -> None:
    samples = '{session="bench01"}[100123ms]'
    counter = promql(kind="counter", metric="a", per="b", distinct=["node", "id"])["mean"]
    assert counter == f"sum(max by (node, id) (increase(a{samples}))) / sum(increase(b{samples}))"
    gauge = promql(kind="gauge", metric="g", distinct=["id"], stats=["mean", "p50"])
    assert gauge["mean"] == f"avg(max by (id) (avg_over_time(g{samples})))"
    assert gauge["p50"] == f"quantile(0.5, max by (id) (quantile_over_time(0.5, g{samples})))"
    histogram = promql(kind="histogram", metric="h", distinct=["id"], stats=["count", "p50"])
    assert histogram["count"] == f"sum(max by (id) (increase(h_count{samples})))"
    buckets = f"sum by (le) (max by (id, le) (increase(h_bucket{samples})))"
    assert histogram["p50"] == f"histogram_quantile(0.5, {buckets})"


def test_the_promql_nearest_to_a_gauge() -> None:
    found = promql(kind="gauge", metric="g", stats=["mean", "sum", "min", "max", "std", "p50"])
    samples = 'g{session="bench01"}[100123ms]'
    assert found == {
        "mean": f"avg(avg_over_time({samples}))",
        "sum": f"sum(avg_over_time({samples}))",
        "min": f"min(min_over_time({samples}))",
        "max": f"max(max_over_time({samples}))",
        "std": f"avg(stddev_over_time({samples}))",
        "p50": f"quantile(0.5, quantile_over_time(0.5, {samples}))",
    }


def test_the_promql_nearest_to_observations() -> None:
    session = 'session="bench01"'
    found = promql(kind="histogram", metric="h", stats=["mean", "count", "p99"])
    count, observed = (f"sum(increase(h_{part}{{{session}}}[100123ms]))" for part in ("count", "sum"))
    buckets = f"sum by (le) (increase(h_bucket{{{session}}}[100123ms]))"
    assert found == {
        "mean": f"{observed} / {count}", "count": count, "p99": f"histogram_quantile(0.99, {buckets})"
    }  # fmt: skip
    found = promql(kind="summary", metric="s", stats=["rate", "total", "p99"])
    assert found == {
        "rate": f"sum(rate(s_count{{{session}}}[100123ms]))",
        "total": f"sum(increase(s_sum{{{session}}}[100123ms]))",
        "p99": f'last_over_time(s{{{session},quantile="0.99"}}[100123ms])',
    }


@pytest.mark.parametrize(
    ("keys", "native", "required"),
    [
        ({"kind": "counter", "metric": "a", "per": 'b{c="1"}'}, True, (("a", "b"),)),
        ({"kind": "gauge", "metric": "a"}, True, (("a",),)),
        ({"kind": "histogram", "metric": "a"}, False, (("a_count",),)),
        ({"kind": "histogram", "metric": "a"}, True, (("a_count",), ("a",))),
        ({"kind": "summary", "metric": "a"}, True, (("a_count",),)),
        ({"kind": "expr", "expr": "a{$selector}", "stats": ["value"]}, True, ()),
    ],
)
def test_the_metrics_by_which_a_window_has_a_kpi(keys: Any, native: bool, required: Any) -> None:
    one = kpi(**keys)
    assert kind_of(one.kind).required_metrics(one, native) == required
