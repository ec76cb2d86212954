"""KPIs over time: each step of the window is measured, and nothing but the window."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from monitord.collect.collect import collect
from monitord.collect.request import CollectionRequest
from monitord.collect.timeseries import TimePoint
from monitord.prometheus.api.series import Answer, Series
from monitord.recipes.model import Recipe
from monitord.windows.model import Window
from tests.fakes.sample_client import SampleClient, Stored, stored

START, INTERVAL = 1000.0, 5.0
TARGET = {"job": "j", "instance": "i"}


def at(samples: Mapping[int, float]) -> dict[float, float]:
    """Return samples of which the times are seconds since the window's start."""
    return {START + second: value for second, value in samples.items()}


def every(per_second: float = 1.0, client: str = "", metric: str = "m", **labels: str) -> Stored:
    target = TARGET | ({"client": client} if client else {})
    return stored(target, metric, at({second: per_second * second for second in range(-8, 114, 5)}), **labels)


def points(
    series: Sequence[Stored], seconds: float = 100.0, answers: Mapping[str, Answer] | None = None, **kpi: Any
) -> list[TimePoint]:
    recipe = Recipe.model_validate(
        {"name": "r", "help": "h", "kpis": [{"name": "k", "help": "h", "unit": "u", **kpi}]}
    )
    request = CollectionRequest("s", Window("w", START, START + seconds), (), INTERVAL, 0.0, (recipe,))
    found = collect(request, SampleClient(series, answers=answers), lambda: 0.0)
    return [point for course in found.timeseries for point in course.points()]


def values(
    found: Sequence[TimePoint], stat: str, scope: str = "session", client: str = ""
) -> list[float | None]:
    return [p.value for p in found if (p.stat, p.scope, p.client) == (stat, scope, client)]


def test_a_counter_is_a_rate_in_steps_of_four_scrapes() -> None:
    faster = {second: 3.0 * second + 2.0 * max(0, second - 62) for second in range(-8, 114, 5)}
    found = points(
        [stored(TARGET, "m", at(faster))], kind="counter", metric="m", stats=["mean", "min", "max"], scale=10
    )
    assert values(found, "mean") == pytest.approx([30.0] * 3 + [10 * (3 + 2 * 18 / 20), 50.0])
    assert [point.elapsed_s for point in found] == [20, 40, 60, 80, 100]
    assert found[-1].timestamp == "1970-01-01T00:18:20.000Z"
    assert {point.stat for point in found} == {"mean"}


def test_nothing_from_before_the_window_is_in_its_first_step() -> None:
    before = {second: -1e6 * (second - 1000) for second in range(-13, 0, 5)}  # a reset, and all of it early
    counted = before | {second: 3.0 * second for second in range(2, 114, 5)}
    found = points([stored(TARGET, "m", at(counted))], kind="counter", metric="m", stats=["mean"])
    # The 6 counted between the reset and the first scrape may as well have been before the window.
    assert values(found, "mean") == pytest.approx([(60 - 6 * 3 / 5) / 20, *[3.0] * 4])


def test_a_gap_is_empty_and_each_client_has_points_of_its_own() -> None:
    gone = {second: 2.0 for second in range(3, 101, 5) if not 20 < second <= 80}
    series = [
        stored({**TARGET, "client": "a"}, "m", at(gone)),
        stored({**TARGET, "client": "b"}, "m", at(dict.fromkeys(range(3, 101, 5), 6.0))),
    ]
    found = points(series, kind="gauge", metric="m", stats=["max"], by=["client"])
    assert values(found, "mean", "client", "a") == [2.0, None, None, None, 2.0]
    assert values(found, "mean", "client", "b") == [6.0] * 5
    assert values(found, "mean") == [4.0, 6.0, 6.0, 6.0, 4.0]
    summed = points(series, kind="gauge", metric="m", stats=["sum"], by=["client"])
    assert values(summed, "sum") == [8.0, 6.0, 6.0, 6.0, 8.0]


def test_a_sample_between_two_steps_is_in_one_of_them() -> None:
    gauge = stored(TARGET, "m", at({second: float(second) for second in range(0, 101, 20)}))
    found = points([gauge], kind="gauge", metric="m", stats=["mean"])
    assert values(found, "mean") == [0, 20, 40, 60, 90]  # the last step has the window's very end as well


def test_a_percentile_is_that_of_the_step() -> None:
    # All is fast in the first half, and all slow in the second.
    fast = {second: min(second, 42.0) for second in range(-8, 94, 5)}
    total = {second: float(second) for second in fast}
    buckets = [
        stored(TARGET, "m_bucket", at(samples), le=bound)
        for bound, samples in (("0.1", fast), ("1", total), ("+Inf", total))
    ]
    counted = [stored(TARGET, f"m_{part}", at(total)) for part in ("count", "sum")]
    found = points(
        [*buckets, *counted], 80.0, kind="histogram", metric="m", stats=["mean", "p50", "count"],
    )  # fmt: skip
    assert values(found, "p50") == pytest.approx([0.05, 0.05, 0.1 + 0.9 * 8 / 18, 0.55])
    assert values(found, "mean") == pytest.approx([1.0] * 4)
    assert {point.stat for point in found} == {"mean", "p50"}


def test_a_ratio_has_no_value_in_a_step_without_work() -> None:
    work = {second: float(max(0, second - 42)) for second in range(-8, 114, 5)}
    found = points(
        [stored(TARGET, "m", at(work)), stored(TARGET, "d", at({s: 2 * x for s, x in work.items()}))],
        kind="counter", metric="m", per="d", stats=["mean"],
    )  # fmt: skip
    assert values(found, "mean") == [None, None, 0.5, 0.5, 0.5]


def test_the_quantile_of_a_summary_is_the_last_of_each_step() -> None:
    exported = stored(TARGET, "m", at({second: float(second) for second in range(3, 101, 5)}), quantile="0.5")
    counted = [every(metric=f"m_{part}") for part in ("count", "sum")]
    found = points([exported, *counted], kind="summary", metric="m", stats=["p50"])
    assert values(found, "p50") == [18, 38, 58, 78, 98]


def test_what_is_unknown_all_along_has_no_points() -> None:
    assert points([every()], kind="counter", metric="other", stats=["mean"], by=["client"]) == []


def test_an_expression_has_the_value_at_the_end_of_each_step() -> None:
    ends = tuple((START + second, float(second)) for second in (20, 40, 80, 100))
    answers = {"count(e{": Answer((Series({}, ends),))}
    found = points([every()], answers=answers, kind="expr", expr="count(e{$selector})", stats=["value"])
    assert values(found, "value") == [20, 40, None, 80, 100]
    assert not any(math.isnan(point.value or 0.0) for point in found)
