"""Queries evaluated without a server: what they select, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from monitord.collect.offline import OfflineClient, StoredSeries

from monitord.errors import PrometheusError
from monitord.kpis.promql import quote

AWKWARD = 'a"b\\c\nd, {e}'
SERIES = [
    StoredSeries({"job": "a", "x": AWKWARD}, [1000, 2000, 3000], [1.0, 2.0, 4.0]),
    StoredSeries({"job": "a", "y": "1"}, [2500, 3000], [7.0, math.nan]),
    StoredSeries({"job": "b"}, [500], [9.0]),
]


def client(left_open: bool = False) -> OfflineClient:
    def read(metric: str) -> Sequence[StoredSeries]:
        return SERIES if metric == "m" else []

    return OfflineClient(read, left_open)


def values(promql: str, left_open: bool = False) -> dict[frozenset[tuple[str, str]], float]:
    found = client(left_open).query(promql, 3.0)
    return {frozenset(series.labels.items()): series.value for series in found.series}


def test_a_range_holds_its_edges_as_the_version_does() -> None:
    (closed,) = client().query('m{job="a",y=""}[2000ms]', 3.0).series
    (left_open,) = client(left_open=True).query('m{job="a",y=""}[2000ms]', 3.0).series
    assert closed.samples == ((1.0, 1.0), (2.0, 2.0), (3.0, 4.0))
    assert left_open.samples == ((2.0, 2.0), (3.0, 4.0))
    assert closed.labels == {"__name__": "m", "job": "a", "x": AWKWARD}


@pytest.mark.parametrize(
    ("matchers", "jobs"),
    [
        ("", {"a", "b"}), ('job="b"', {"b"}), ('job!="b"', {"a"}), ('job=~"b|c"', {"b"}),
        ('job=~"."', {"a", "b"}), ('job!~"a.*"', {"b"}), (f"x={quote(AWKWARD)}", {"a"}),
        ('nothing=""', {"a", "b"}), ('nothing!=""', set()), ('job=~"a" , y="1"', {"a"}), ('job="a",', {"a"}),
    ],
)  # fmt: skip
def test_matchers(matchers: str, jobs: set[str]) -> None:
    found = values(f"count by (job) (count_over_time(m{{{matchers}}}[3000ms]))")
    assert found.keys() == {frozenset({("job", job)}) for job in jobs}


def test_aggregations_leave_out_labels_that_are_empty_and_what_is_no_number() -> None:
    none, one = frozenset[tuple[str, str]](), frozenset({("y", "1")})
    assert values("sum by (y) (count_over_time(m{}[3000ms]))") == {none: 4, one: 2}
    assert values("max by (y) (max_over_time(m{}[3000ms]))") == {none: 9, one: 7}


def test_unless_leaves_out_series_that_have_samples_there() -> None:
    born = "min_over_time(m{}[3000ms]) unless last_over_time(m{}[1000ms] offset 2000ms)"
    assert values(f"sum by (job) ({born})") == {frozenset({("job", "a")}): 7}


def test_over_time_each_group_has_the_steps_that_it_has_samples_in() -> None:
    (only,) = client().query_range('sum by (job) (count_over_time(m{job="a"}[900ms]))', 1.0, 4.0, 1.0).series
    assert only.samples == ((1.0, 1), (2.0, 1), (3.0, 3))


@pytest.mark.parametrize(
    "promql",
    [
        "m", "sum(m{}[1000ms])", "sum by (job) (m{}[1000ms])", "topk by (job) (rate(m{}[1000ms]))",
        "deriv(m{}[1000ms])", "rate(m{}[1m])", "sum by (job) (rate(m{}[1000ms])) / 2",
        'rate(m{job=~"("}[1000ms])', "rate(m{job}[1000ms])", "rate(m{}[1000ms]",
        "rate(m{}[1000ms]) unless rate(m{}[1000ms]) unless rate(m{}[1000ms])",
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_refused(promql: str) -> None:
    with pytest.raises(PrometheusError, match="only a Prometheus can evaluate"):
        client().query(promql, 3.0)
