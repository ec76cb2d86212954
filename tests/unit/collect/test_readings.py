"""What is measured while samples are read: which series a KPI takes, of which targets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from monitord.collect.readings import Readings
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.kpis.kind import MetricReading
from monitord.kpis.readings.target_samples import Series, TargetSamples, target_samples
from monitord.recipes.model import Recipe
from monitord.windows.model import Window

TIMES = np.array([1000 * second for second in range(992, 1118, 5)], np.int64)
TARGET = {"job": "web", "instance": "h:1", "client": "c1"}


def samples(*found: Mapping[str, str], up: float = 1.0, target: Mapping[str, str] = TARGET) -> TargetSamples:
    """Return a target with a steady counter for each of the labels."""
    series = [Series({"__name__": "up", **target}, TIMES, np.full(len(TIMES), up))]
    series += [Series({**target, **labels}, TIMES, TIMES / 1000.0) for labels in found]
    made = target_samples(series)
    assert made is not None
    return made


def readings(*kpis: Mapping[str, Any], services: tuple[str, ...] = ("*",)) -> tuple[Readings, Recipe]:
    keys = {"help": "h", "unit": "x/s", "stats": ["mean"]}
    found = [{"name": f"k{number}", **keys, **kpi} for number, kpi in enumerate(kpis)]
    recipe = Recipe.model_validate({"name": "r", "help": "h", "kpis": found, "services": list(services)})
    targets = (ExpectedTarget("http://x", TARGET, 5.0),)
    request = CollectionRequest("s", Window("w", 1000.0, 1100.0), targets, 5.0, 0.95, (recipe,))
    return Readings(request), recipe


def rate(reading: MetricReading) -> float | None:
    return reading.estimate("mean", "session", reading.groups).value


SEVERAL = {"kind": "counter", "metric": ["new", {"name": "old", "match": 'a="1"'}, "oldest"]}


@pytest.mark.parametrize(
    ("held", "chosen"),
    [
        ([{"__name__": "new"}, {"__name__": "old", "a": "1"}], "new"),
        ([{"__name__": "old", "a": "1"}, {"__name__": "oldest"}], "old"),
        ([{"__name__": "old", "a": "2"}, {"__name__": "oldest"}], "oldest"),
        ([], "new"),
    ],
)
def test_the_first_metric_that_the_window_holds_is_used(held: list[dict[str, str]], chosen: str) -> None:
    found, recipe = readings(SEVERAL, {"kind": "expr", "expr": "e{$selector}", "stats": ["value"]})
    found.take(samples(*held))
    one, free = found.chosen(recipe).kpis
    assert (one.metric, one.alternatives()) == (chosen, (one,))
    assert free == recipe.kpis[1]
    assert rate(found.reading(recipe, recipe.kpis[0])) == (pytest.approx(1) if held else None)


def test_the_first_metric_is_used_also_when_only_a_later_target_has_it() -> None:
    found, recipe = readings(SEVERAL)
    found.take(samples({"__name__": "oldest"}))
    found.take(samples({"__name__": "new"}, target={**TARGET, "instance": "h:2"}))
    assert found.chosen(recipe).kpis[0].metric == "new"


def test_series_are_those_that_match_of_jobs_that_fit() -> None:
    found, recipe = readings(
        {"kind": "counter", "metric": "m", "match": 'a=~"1|2"'}, {"kind": "counter", "metric": "m"},
        services=("w?b",),
    )  # fmt: skip
    found.take(samples(*({"__name__": "m", "a": a} for a in "123")))
    found.take(samples({"__name__": "m", "a": "1"}, target={**TARGET, "job": "other"}))
    assert [rate(found.reading(recipe, kpi)) for kpi in recipe.kpis] == pytest.approx([2, 3])


def test_one_metric_may_be_read_for_several_kpis() -> None:
    found, recipe = readings(
        {"kind": "counter", "metric": "m", "per": 'm{a!=""}'}, {"kind": "gauge", "metric": "m"}
    )  # fmt: skip
    found.take(samples({"__name__": "m", "a": "1"}, {"__name__": "m"}))
    assert rate(found.reading(recipe, recipe.kpis[0])) == pytest.approx(2)
    assert rate(found.reading(recipe, recipe.kpis[1])) == pytest.approx(1049.5)


def test_a_target_that_comes_in_parts_is_covered_once_and_measured_as_a_whole() -> None:
    found, recipe = readings({"kind": "counter", "metric": "a", "per": "b"})
    first = samples({"__name__": "a"})
    found.take(first)
    series = [Series({**TARGET, "__name__": "b"}, TIMES, 2 * TIMES / 1000.0)]
    second = target_samples(series, scrapes=first.scrapes)
    assert second is not None
    found.take(second)
    (covered,) = found.coverage()
    assert (covered.scrapes, covered.expected_scrapes, covered.resets) == (20, 20, 0)
    assert rate(found.reading(recipe, recipe.kpis[0])) == pytest.approx(0.5)
    assert {("a", "web"), ("b", "web")} <= found.present()


def test_of_a_target_that_failed_all_along_only_that_is_known() -> None:
    found, recipe = readings({"kind": "counter", "metric": "m"})
    found.take(samples({"__name__": "m"}, up=0.0))
    (covered,) = found.coverage()
    assert (covered.scrapes, covered.successes, covered.resets) == (20, 0, None)
    assert not found.reading(recipe, recipe.kpis[0]).groups
    assert found.present() == set()


def test_a_target_that_came_after_the_window_is_none_of_its_targets() -> None:
    found, _ = readings({"kind": "gauge", "metric": "m"})
    for own, times in ((TARGET, TIMES), ({**TARGET, "client": "c2"}, TIMES[-3:])):
        made = target_samples([Series({"__name__": "up", **own}, times, np.ones(len(times)))])
        assert made is not None
        found.take(made)
    assert [covered.client for covered in found.coverage()] == ["c1"]


def test_a_metric_that_ended_before_the_window_is_not_present() -> None:
    found, _ = readings({"kind": "gauge", "metric": "m"})
    early = Series({**TARGET, "__name__": "m"}, TIMES[:1], np.array([1.0]))
    made = target_samples([early], scrapes=samples().scrapes)
    assert made is not None
    found.take(made)
    assert ("m", "web") not in found.present()
