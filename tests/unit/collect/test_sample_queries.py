"""Queries for raw samples: each sample in one answer, and no answer too large."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.collect.sample_queries import (
    OWN_SERIES,
    Endpoint,
    SampleQuery,
    metric_queries,
    metrics_query,
    sample_queries,
    scrapes_query,
    sizes,
    sizes_query,
)
from monitord.kpis.matchers import parse_matchers
from monitord.kpis.span import Span
from monitord.prometheus.api.series import Answer
from tests.fakes.sample_client import answer, one

SPAN = Span("s", 100.0, 200.0, 5.0)
ENDPOINTS = st.builds(
    Endpoint, st.sampled_from(["a", "b|", 'c"']), st.sampled_from(["h:1", "h.1", "h:", "i"])
)


def selected(query: SampleQuery) -> str:
    """Return the matchers of a query for raw samples."""
    match = re.fullmatch(r"\{(.*)}\[\d+ms]", query.query.promql)
    assert match
    return match[1]


def test_samples_are_read_from_a_little_before_the_window_to_a_little_after() -> None:
    (query,) = sample_queries(SPAN, {Endpoint("j", "h:1"): 10})
    assert query == ("j", SPAN.read('{session="s",job="j",instance=~"h:1"}'))
    assert isinstance(query, SampleQuery)
    assert (query.query.promql[-10:], query.query.at) == ("[130000ms]", 215.0)
    (query,) = sample_queries(Span("s", 100.0, 200.0, 5.0, left_open=True), {Endpoint("j", "h:1"): 10})
    assert isinstance(query, SampleQuery)
    assert query.query.promql.endswith("[130001ms]")


@given(st.dictionaries(ENDPOINTS, st.integers(0, 30)), st.integers(1, 20))
def test_every_target_is_in_one_answer_and_no_answer_of_several_is_too_large(
    targets: dict[Endpoint, int], most: int
) -> None:
    found = list(sample_queries(SPAN, targets, most))
    alone = [each for each in found if isinstance(each, Endpoint)]
    assert sorted(alone) == sorted(endpoint for endpoint, size in targets.items() if size > most)
    times: Counter[Endpoint] = Counter(alone)
    for query in (each for each in found if isinstance(each, SampleQuery)):
        fits = parse_matchers(selected(query))
        inside = [e for e in targets if fits({"session": "s", "job": e.job, "instance": e.instance})]
        small = [endpoint for endpoint in inside if targets[endpoint] <= most]
        assert small == inside
        assert {endpoint.job for endpoint in inside} == {query.job}
        assert sum(targets[endpoint] for endpoint in inside) <= most
        times.update(inside)
    assert times == Counter(targets.keys())


@given(
    st.dictionaries(
        st.sampled_from(["up", "m", "m.b", "mxb", "process_start_time_seconds"]), st.integers(1, 9)
    ),
    st.integers(0, 1000),
    st.integers(1, 300),
)
def test_every_metric_of_a_large_target_is_in_one_answer(
    series: dict[str, int], size: int, most: int
) -> None:
    metrics = answer(*(one(float(count), __name__=name) for name, count in series.items()))
    queries = list(metric_queries(SPAN, Endpoint("j", "h:1"), size, metrics, most))
    times: Counter[str] = Counter()
    for query in queries:
        assert query.job == "j"
        fits = parse_matchers(selected(query))
        times.update(
            n for n in series if fits({"session": "s", "job": "j", "instance": "h:1", "__name__": n})
        )
    assert times == Counter(series.keys())


def test_the_metrics_that_date_samples_are_read_first() -> None:
    names = ("a", "up", "scrape_duration_seconds", "process_start_time_seconds", "zz")
    metrics = answer(*(one(1.0, __name__=name) for name in names))
    queries = list(metric_queries(SPAN, Endpoint("j", "h"), 500, metrics, most=300))
    assert [selected(query).partition("__name__=~")[2] for query in queries] == [
        '"process_start_time_seconds|scrape_duration_seconds|up"', '"a|zz"'
    ]  # fmt: skip


def test_how_many_samples_each_target_has_is_asked_for_by_its_scrapes() -> None:
    up, scraped = scrapes_query(SPAN), sizes_query(SPAN)
    assert up.promql == 'sum by (job, instance) (count_over_time(up{session="s"}[130000ms]))'
    assert scraped.promql == (
        'sum by (job, instance) (sum_over_time(scrape_samples_scraped{session="s"}[130000ms]))'
    )
    assert up.at == scraped.at == 215.0
    found = sizes(
        answer(one(10.0, job="a", instance="h:1"), one(10.0, job="b", instance="h:1")),
        answer(one(300.0, job="a", instance="h:1"), one(5.0, job="gone", instance="h:1")),
    )
    assert found == {("a", "h:1"): 300 + 10 * OWN_SERIES, ("b", "h:1"): 10 * OWN_SERIES}
    assert sizes(Answer(()), Answer(())) == {}


def test_how_many_series_each_metric_of_a_target_has() -> None:
    assert metrics_query(SPAN, Endpoint("j", "h:1")).promql == (
        'count by (__name__) (last_over_time({session="s",job="j",instance=~"h:1"}[130000ms]))'
    )


@pytest.mark.parametrize("instance", ["h.example:9090", "[::1]:9", 'a"b', "a\\b", "a|b"])
def test_an_instance_is_selected_as_it_is_written(instance: str) -> None:
    (query,) = sample_queries(SPAN, {Endpoint("j", instance): 1})
    assert isinstance(query, SampleQuery)
    fits = parse_matchers(selected(query))
    assert fits({"session": "s", "job": "j", "instance": instance})
    assert not fits(
        {"session": "s", "job": "j", "instance": instance.replace("|", "").replace(".", "x") + "x"}
    )
