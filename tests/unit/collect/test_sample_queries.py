"""Queries for raw samples: each sample in one answer, and no answer too large."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitord.collect.sample_queries import sample_queries, scrapes_query
from monitord.kpis.span import InstantQuery, Span
from tests.fakes.query_client import answer, series


def covered_ms(query: InstantQuery, left_open: bool) -> tuple[int, int]:
    """Return the first and last millisecond whose samples a query reads."""
    match = re.search(r"\[(\d+)ms\]$", query.promql)
    assert match
    last = round(query.at * 1000)
    return last - int(match[1]) + left_open, last


@given(
    st.integers(1, 10**7), st.booleans(), st.integers(1, 10**6), st.integers(1, 10**4), st.integers(1, 10**6)
)
def test_the_parts_of_a_window_hold_each_millisecond_once(
    length: int, left_open: bool, many: int, scrapes: int, most: int
) -> None:
    span = Span("s", 1_700_000_000.123, 1_700_000_000.123 + length / 1000, 5.0, left_open)
    counts = answer(series(min(many, 1000 * most // scrapes + 1), job="j", __name__="m"))
    scraped = answer(series(scrapes, job="j"))
    parts = [covered_ms(q, left_open) for q in sample_queries(span, counts, scraped, most)["j"]]
    assert parts[0][0] == 1_700_000_000_123
    assert parts[-1][1] == 1_700_000_000_123 + length
    assert all(first <= last for first, last in parts)
    assert all(last + 1 == following for (_, last), (following, _) in pairwise(parts))


def test_small_metrics_share_an_answer_and_a_large_one_has_several() -> None:
    counts = answer(
        series(1, job="j", __name__="a.b"),
        series(2, job="j", __name__="b"),
        series(25, job="j", __name__="c"),
        series(1, job="j", __name__="d"),
        series(1, job="other", __name__="a.b"),
    )
    queries = sample_queries(Span("s", 0, 100, 5.0), counts, answer(series(10, job="j")), most=100)
    assert [query.promql for query in queries["j"]] == [
        '{session="s",job="j",__name__=~"a\\\\.b|b"}[100000ms]',
        '{session="s",job="j",__name__="c"}[33333ms]',
        '{session="s",job="j",__name__="c"}[33332ms]',
        '{session="s",job="j",__name__="c"}[33333ms]',
        '{session="s",job="j",__name__="d"}[100000ms]',
    ]
    assert [query.at for query in queries["j"]] == [100, 33.333, 66.666, 100, 100]
    assert [query.promql for query in queries["other"]] == [
        '{session="s",job="other",__name__="a.b"}[100000ms]'
    ]


def test_a_series_has_as_many_samples_as_the_best_scraped_target() -> None:
    assert scrapes_query(Span("s", 0, 100, 5.0)).promql == (
        'max by (job) (count_over_time(up{session="s"}[100000ms]))'
    )
    counts = answer(series(4, job="a", __name__="m"), series(4, job="unseen", __name__="m"))
    queries = sample_queries(Span("s", 0, 100, 5.0), counts, answer(series(5, job="a")), most=20)
    assert [len(queries[job]) for job in ("a", "unseen")] == [1, 5]
