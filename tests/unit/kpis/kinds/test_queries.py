"""The PromQL of a KPI: exact windows, reset-aware before summing, this session's series only."""

import re
from dataclasses import replace
from typing import Any

from monitord.kpis.kinds import kind_of
from monitord.kpis.span import InstantQuery, Query, RangeQuery, Span
from monitord.recipes.model import Kpi

BY = "by (job, instance, client, service, node, gpu)"
SPAN = Span("bench01", 1000.0, 1100.123, 5.0)


def kpi(**keys: Any) -> Kpi:
    return Kpi.model_validate({"name": "k", "help": "h", "unit": "x/s", "stats": ["mean"], **keys})


def queries_of(one: Kpi, services: tuple[str, ...], span: Span) -> dict[str, Query]:
    return kind_of(one.kind).queries(one, services, span)


def resets_of(one: Kpi, services: tuple[str, ...], span: Span) -> tuple[InstantQuery, ...]:
    return kind_of(one.kind).resets_queries(one, services, span)


def test_a_counter() -> None:
    queries = queries_of(kpi(kind="counter", metric="a_total", stats=["mean", "max"]), ("*",), SPAN)
    assert queries == {
        "series": InstantQuery(
            f'count {BY} (count_over_time(a_total{{session="bench01"}}[100123ms]))', 1100.123
        ),
        "increase": InstantQuery(f'sum {BY} (increase(a_total{{session="bench01"}}[100123ms]))', 1100.123),
        "uncounted": InstantQuery(
            f'sum {BY} (min_over_time(a_total{{session="bench01"}}[100123ms])'
            ' unless last_over_time(a_total{session="bench01"}[20500ms] offset 94623ms))',
            1100.123,
        ),
        "rates": RangeQuery(
            f'sum {BY} (rate(a_total{{session="bench01"}}[20024ms]))', 1020.027, 1100.123, 20.024
        ),
    }


def test_a_ratio_narrows_both_counters_to_the_session_and_services() -> None:
    ratio = kpi(kind="counter", metric="bad_total", match='code="5"', per='all_total{code!=""}')
    queries = queries_of(ratio, ("triton-*", "v?"), SPAN)
    jobs = r'session="bench01",job=~"triton\\-.*|v."'
    assert f'bad_total{{{jobs},code="5"}}' in queries["increase"].promql
    assert f'all_total{{{jobs},code!=""}}' in queries["divisor"].promql
    assert "rates" not in queries


def test_a_gauge_asks_for_sums_and_counts_so_that_means_merge() -> None:
    queries = queries_of(kpi(kind="gauge", metric="g", stats=["mean", "max"]), ("*",), SPAN)
    assert {role: query.promql.split("(g{")[0] for role, query in queries.items()} == {
        "count": f"sum {BY} (count_over_time",
        "sum": f"sum {BY} (sum_over_time",
        "max": f"max {BY} (max_over_time",
    }


def test_a_histogram_keeps_its_buckets_apart() -> None:
    queries = queries_of(kpi(kind="histogram", metric="h", stats=["p99"]), ("*",), SPAN)
    assert queries["buckets"].promql == (
        f'sum {BY[:-1]}, le) (increase(h_bucket{{session="bench01"}}[100123ms]))'
    )
    assert set(queries) == {"series", "count", "uncounted", "buckets"}


def test_a_server_with_native_histograms_is_asked_for_both_forms() -> None:
    one, native = kpi(kind="histogram", metric="h", stats=["p99"]), replace(SPAN, native=True)
    both, classic = queries_of(one, ("*",), native), queries_of(one, ("*",), SPAN)
    assert {role: both.pop(role).promql for role in [*both] if role not in classic} == {
        "native_series": f'count {BY} (count_over_time(h{{session="bench01"}}[100123ms]))',
        "native": f'sum {BY} (increase(h{{session="bench01"}}[100123ms]))',
        "native_born": f'sum {BY} (last_over_time(h{{session="bench01"}}[100123ms])'
        ' unless last_over_time(h{session="bench01"}[20500ms] offset 94623ms))',
        "native_born_increase": f'sum {BY} (increase(h{{session="bench01"}}[100123ms])'
        ' unless last_over_time(h{session="bench01"}[20500ms] offset 94623ms))',
    }
    assert both == classic
    metrics = [query.promql.split("(")[3].split("{")[0] for query in resets_of(one, ("*",), native)]
    assert metrics == ["h_count", "h"]
    other = kpi(kind="summary", metric="s")
    assert queries_of(other, ("*",), native) == queries_of(other, ("*",), SPAN)


def test_spread_and_percentiles_of_a_gauge_ask_for_the_samples_themselves() -> None:
    queries = queries_of(kpi(kind="gauge", metric="g", stats=["std", "p50"]), ("*",), SPAN)
    assert queries["samples"].promql == 'g{session="bench01"}[100123ms]'
    assert set(queries) == {"count", "samples"}


def test_a_summary_is_asked_for_its_own_quantiles_series_by_series() -> None:
    queries = queries_of(kpi(kind="summary", metric="s", stats=["total", "p99"]), ("*",), SPAN)
    assert queries["quantiles"].promql == ('last_over_time(s{session="bench01",quantile!=""}[100123ms])')
    assert set(queries) == {"series", "count", "uncounted", "sum", "quantiles"}


def test_an_expression_is_evaluated_once_a_scope() -> None:
    free = kpi(
        kind="expr",
        expr="sum by ($by) (increase(e{$selector}$window))",
        by=["gpu"],
        stats=["value"],
    )
    assert {role: query.promql for role, query in queries_of(free, ("*",), SPAN).items()} == {
        "session": 'sum by () (increase(e{session="bench01"}[100123ms]))',
        "gpu": 'sum by (node, gpu) (increase(e{session="bench01"}[100123ms]))',
    }


def test_resets_are_asked_for_of_counters_alone() -> None:
    (resets,) = resets_of(kpi(kind="histogram", metric="h"), ("*",), SPAN)
    assert 'resets(h_count{session="bench01"}[100123ms])' in resets.promql
    (resets,) = resets_of(kpi(kind="summary", metric="s"), ("*",), SPAN)
    assert 'resets(s_count{session="bench01"}[100123ms])' in resets.promql
    assert resets_of(kpi(kind="gauge", metric="g"), ("*",), SPAN) == ()


def test_a_server_with_left_open_ranges_is_asked_for_one_millisecond_more_at_the_same_times() -> None:
    counted = kpi(kind="counter", metric="a_total", per="b_total", stats=["mean", "max"])
    summarised = kpi(kind="histogram", metric="h", stats=["mean", "p99"])
    free = kpi(kind="expr", expr="sum(increase(e{$selector}$window))", stats=["value"])
    more = {"[100123ms]": "[100124ms]", "[20024ms]": "[20025ms]", "[20500ms]": "[20501ms]"}
    for one in (counted, kpi(kind="gauge", metric="g", stats=["min", "max"]), summarised, free):
        closed = queries_of(one, ("*",), SPAN)
        for role, query in queries_of(one, ("*",), replace(SPAN, left_open=True)).items():
            widened = re.sub(r"\[\w+]", lambda selector: more[selector[0]], closed[role].promql)
            assert query == replace(closed[role], promql=widened)
            assert query != closed[role]
