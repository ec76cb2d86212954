"""The PromQL of a KPI: exact windows, reset-aware before summing, this session's series only."""

import re
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.kpis.span import InstantQuery, RangeQuery, Span
from monitord.recipes.model import Kpi
from monitord.recipes.promql import kpi_queries, resets_queries, session_matchers, up_query

BY = "by (job, instance, client, service, node, gpu)"
SPAN = Span("bench01", 1000.0, 1100.123, 5.0)


def kpi(**keys: Any) -> Kpi:
    return Kpi.model_validate({"name": "k", "help": "h", "unit": "x/s", "stats": ["mean"], **keys})


def test_a_counter() -> None:
    queries = kpi_queries(kpi(kind="counter", metric="a_total", stats=["mean", "max"]), ("*",), SPAN)
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
    queries = kpi_queries(ratio, ("triton-*", "v?"), SPAN)
    jobs = r'session="bench01",job=~"triton\\-.*|v."'
    assert f'bad_total{{{jobs},code="5"}}' in queries["increase"].promql
    assert f'all_total{{{jobs},code!=""}}' in queries["divisor"].promql
    assert "rates" not in queries


def test_a_gauge_asks_for_sums_and_counts_so_that_means_merge() -> None:
    queries = kpi_queries(kpi(kind="gauge", metric="g", stats=["mean", "max"]), ("*",), SPAN)
    assert {role: query.promql.split("(g{")[0] for role, query in queries.items()} == {
        "count": f"sum {BY} (count_over_time",
        "sum": f"sum {BY} (sum_over_time",
        "max": f"max {BY} (max_over_time",
    }


def test_a_histogram_keeps_its_buckets_apart() -> None:
    queries = kpi_queries(kpi(kind="histogram", metric="h", stats=["p99"]), ("*",), SPAN)
    assert queries["buckets"].promql == (
        f'sum {BY[:-1]}, le) (increase(h_bucket{{session="bench01"}}[100123ms]))'
    )
    assert set(queries) == {"series", "count", "uncounted", "buckets"}


def test_a_server_with_native_histograms_is_asked_for_both_forms() -> None:
    one, native = kpi(kind="histogram", metric="h", stats=["p99"]), replace(SPAN, native=True)
    both, classic = kpi_queries(one, ("*",), native), kpi_queries(one, ("*",), SPAN)
    assert {role: both.pop(role).promql for role in [*both] if role not in classic} == {
        "native_series": f'count {BY} (count_over_time(h{{session="bench01"}}[100123ms]))',
        "native": f'sum {BY} (increase(h{{session="bench01"}}[100123ms]))',
        "native_born": f'sum {BY} (last_over_time(h{{session="bench01"}}[100123ms])'
        ' unless last_over_time(h{session="bench01"}[20500ms] offset 94623ms))',
        "native_born_increase": f'sum {BY} (increase(h{{session="bench01"}}[100123ms])'
        ' unless last_over_time(h{session="bench01"}[20500ms] offset 94623ms))',
    }
    assert both == classic
    metrics = [query.promql.split("(")[3].split("{")[0] for query in resets_queries(one, ("*",), native)]
    assert metrics == ["h_count", "h"]
    other = kpi(kind="summary", metric="s")
    assert kpi_queries(other, ("*",), native) == kpi_queries(other, ("*",), SPAN)


def test_spread_and_percentiles_of_a_gauge_ask_for_the_samples_themselves() -> None:
    queries = kpi_queries(kpi(kind="gauge", metric="g", stats=["std", "p50"]), ("*",), SPAN)
    assert queries["samples"].promql == 'g{session="bench01"}[100123ms]'
    assert set(queries) == {"count", "samples"}


def test_a_summary_is_asked_for_its_own_quantiles_series_by_series() -> None:
    queries = kpi_queries(kpi(kind="summary", metric="s", stats=["total", "p99"]), ("*",), SPAN)
    assert queries["quantiles"].promql == ('last_over_time(s{session="bench01",quantile!=""}[100123ms])')
    assert set(queries) == {"series", "count", "uncounted", "sum", "quantiles"}


def test_an_expression_is_evaluated_once_a_scope() -> None:
    free = kpi(
        kind="expr",
        expr="sum by ($by) (increase(e{$selector}$window))",
        by=["gpu"],
        stats=["value"],
    )
    assert {role: query.promql for role, query in kpi_queries(free, ("*",), SPAN).items()} == {
        "session": 'sum by () (increase(e{session="bench01"}[100123ms]))',
        "gpu": 'sum by (node, gpu) (increase(e{session="bench01"}[100123ms]))',
    }


def test_up_and_resets() -> None:
    assert up_query(SPAN).promql == 'up{session="bench01"}[100123ms]'
    (resets,) = resets_queries(kpi(kind="histogram", metric="h"), ("*",), SPAN)
    assert 'resets(h_count{session="bench01"}[100123ms])' in resets.promql
    (resets,) = resets_queries(kpi(kind="summary", metric="s"), ("*",), SPAN)
    assert 'resets(s_count{session="bench01"}[100123ms])' in resets.promql
    assert resets_queries(kpi(kind="gauge", metric="g"), ("*",), SPAN) == ()


def test_a_server_with_left_open_ranges_is_asked_for_one_millisecond_more_at_the_same_times() -> None:
    counted = kpi(kind="counter", metric="a_total", per="b_total", stats=["mean", "max"])
    summarised = kpi(kind="histogram", metric="h", stats=["mean", "p99"])
    free = kpi(kind="expr", expr="sum(increase(e{$selector}$window))", stats=["value"])
    more = {"[100123ms]": "[100124ms]", "[20024ms]": "[20025ms]", "[20500ms]": "[20501ms]"}
    for one in (counted, kpi(kind="gauge", metric="g", stats=["min", "max"]), summarised, free):
        closed = kpi_queries(one, ("*",), SPAN)
        for role, query in kpi_queries(one, ("*",), replace(SPAN, left_open=True)).items():
            widened = re.sub(r"\[\w+]", lambda selector: more[selector[0]], closed[role].promql)
            assert query == replace(closed[role], promql=widened)
            assert query != closed[role]


def test_a_session_name_cannot_break_out_of_its_quotes() -> None:
    assert session_matchers('a"} or up{\\\n') == r'session="a\"} or up{\\\n"'


@settings(deadline=None)
@given(
    start=st.floats(1e9, 2e9),
    seconds=st.floats(0.01, 1e6),
    interval=st.floats(0.1, 600),
)
def test_tiles_cut_the_window_without_leaving_it(start: float, seconds: float, interval: float) -> None:
    span = Span("s", start, start + seconds, interval)
    query = span.over_tiles("x")
    assert round((query.end - query.start) / query.step) == span.tiles - 1
    assert query.end == span.end_ms / 1000
    first_ms = round(query.start * 1000) - span.tile_ms
    window_ms = span.end_ms - span.length_ms
    assert window_ms <= first_ms < window_ms + span.tiles  # all of it, but for the rounding
    assert 1 <= span.tiles <= 120
    assert span.tiles == 1 or span.tile_ms >= 4 * interval * 1000 - 1


@given(start=st.integers(10**9, 2 * 10**9), length_ms=st.integers(1, 10**8), interval=st.floats(0.1, 600))
def test_a_birth_is_sought_inside_the_window_but_not_where_rates_reach_back(
    start: int, length_ms: int, interval: float
) -> None:
    span = Span("s", float(start), start + length_ms / 1000, interval)
    match = re.fullmatch(r"\[(\d+)ms] offset (\d+)ms", span.around_start)
    assert match
    length, offset = map(int, match.groups())
    after = span.length_ms - offset  # milliseconds into the window at which the range ends
    assert after <= 1.1 * interval * 1000 + 1
    assert offset >= 1
    assert length - after >= 3 * interval * 1000 - 1 or span.length_ms == 1
