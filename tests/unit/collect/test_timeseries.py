"""KPIs over time: each step of the window is measured, and nothing but the window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitord.collect.offline import OfflineClient, StoredSeries

from monitord.collect.request import CollectionRequest
from monitord.collect.timeseries import MAX_STEPS, TimePoint, most_steps, over_time
from monitord.errors import PrometheusError
from monitord.kpis.span import InstantQuery, Query
from monitord.prometheus.api.series import Answer
from monitord.recipes.model import Recipe
from monitord.windows.model import Window

START, INTERVAL = 1000.0, 5.0


def stored(samples: Mapping[int, float], **labels: str) -> StoredSeries:
    """Return a series; the times of its samples are seconds since the window's start."""
    times = [round((START + second) * 1000) for second in samples]
    return StoredSeries({"session": "s", "job": "j", **labels}, times, list(samples.values()))


def points(
    series: Mapping[str, Sequence[StoredSeries]], seconds: float = 100.0, targets: int = 1, **kpi: Any
) -> list[TimePoint]:
    client = OfflineClient(lambda metric: series.get(metric, ()))

    def ask(_: str, query: Query) -> Answer | None:
        assert not isinstance(query, InstantQuery)
        try:
            return client.query_range(query.promql, query.start, query.end, query.step)
        except PrometheusError:
            return None

    recipe = Recipe.model_validate(
        {"name": "r", "help": "h", "kpis": [{"name": "k", "help": "h", "unit": "u", **kpi}]}
    )
    request = CollectionRequest("s", Window("w", START, START + seconds), (), INTERVAL, 0.9, (recipe,))
    courses = over_time(request, recipe, recipe.kpis[0], targets, ask)
    return [point for course in courses for point in course.points()]


def values(
    found: Sequence[TimePoint], stat: str, scope: str = "session", client: str = ""
) -> list[float | None]:
    return [p.value for p in found if (p.stat, p.scope, p.client) == (stat, scope, client)]


def test_a_counter_is_a_rate_in_steps_of_four_scrapes_that_read_nothing_from_before() -> None:
    before = {second: -1e9 * (second - 1000) for second in range(-50, 0, 5)}  # a reset, and all of it early
    counted = stored(before | {second: 3.0 * second for second in range(0, 105, 5)})
    found = points({"m": [counted]}, kind="counter", metric="m", stats=["mean", "min", "max"], scale=10)
    assert [round(value or 0, 9) for value in values(found, "mean")] == [30.0] * 5
    assert [point.elapsed_s for point in found] == [20, 40, 60, 80, 100]
    assert found[-1].timestamp == "1970-01-01T00:18:20.000Z"
    assert {point.stat for point in found} == {"mean"}


def test_a_gap_is_empty_and_each_client_has_points_of_its_own() -> None:
    gone = stored({second: 2.0 for second in range(0, 101, 5) if not 20 < second <= 80}, client="a")
    there = stored(dict.fromkeys(range(0, 101, 5), 6.0), client="b")
    found = points({"m": [gone, there]}, kind="gauge", metric="m", stats=["max"], by=["client"])
    assert values(found, "mean", "client", "a")[1:4] == [2.0, None, None]
    assert values(found, "mean", "client", "b") == [6.0] * 5
    assert values(found, "mean")[3] == 6.0


def test_a_percentile_is_that_of_the_step() -> None:
    # All is fast in the first half, and all slow in the second.
    fast = {second: min(second, 40.0) for second in range(0, 81, 5)}
    every = {second: float(second) for second in range(0, 81, 5)}
    buckets = [stored(fast, le="0.1"), stored(every, le="1"), stored(every, le="+Inf")]
    found = points(
        {"m_bucket": buckets, "m_count": [stored(every)], "m_sum": [stored(every)]}, 80.0,
        kind="histogram", metric="m", stats=["mean", "p50", "count"],
    )  # fmt: skip
    rounded = [round(value or 0, 9) for value in values(found, "p50")]
    assert rounded == [0.05, 0.05, 0.55, 0.55]
    assert [round(value or 0, 9) for value in values(found, "mean")] == [1.0] * 4
    assert {point.stat for point in found} == {"mean", "p50"}


def test_what_is_unknown_all_along_has_empty_points_of_the_session() -> None:
    found = points({}, kind="counter", metric="m", stats=["mean"], by=["client"])
    assert [(point.scope, point.value) for point in found] == [("session", None)] * 5


def test_a_query_that_failed_costs_all_points() -> None:
    assert points({}, kind="expr", expr="sum(m{$selector})", stats=["value"]) == []


def test_an_expression_is_evaluated_in_each_step_unless_it_looks_back() -> None:
    series = {"m": [stored(dict.fromkeys(range(-100, 101, 5), 1.0), job="")]}
    inside = "count by ($by) (count_over_time(m{$selector}$window))"
    found = points(series, kind="expr", expr=inside, stats=["value"], by=["client"])
    assert values(found, "value")[:2] == [1, 1]
    looking_back = "count by ($by) (count_over_time(m{$selector}$window offset 50000ms))"
    found = points(series, kind="expr", expr=looking_back, stats=["value"], by=["client"])
    assert values(found, "value") == [None] * 5


@given(st.floats(0.001, 1e6), st.integers(0, 10_000))
def test_steps_tile_the_window_and_are_not_too_many(seconds: float, targets: int) -> None:
    found = points({}, seconds, targets, kind="counter", metric="m", stats=["mean"])
    elapsed = [point.elapsed_s for point in found]
    assert 1 <= len(elapsed) <= most_steps(targets) <= MAX_STEPS
    assert elapsed[-1] == pytest.approx(seconds, abs=0.001)
    assert all(after - before >= 4 * INTERVAL for before, after in pairwise(elapsed))
    assert len(elapsed) == 1 or elapsed[0] >= 4 * INTERVAL
