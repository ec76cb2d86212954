"""Packs apply to windows that hold what they measure."""

from typing import Any

import pytest

from monitord.errors import InvalidFileError
from monitord.recipes.load import check_recipe
from monitord.recipes.model import Recipe
from monitord.recipes.presence import in_force


def recipe(name: str, *kpis: dict[str, Any], **keys: Any) -> Recipe:
    each = [
        {"name": f"{name}_{n}", "help": "h", "unit": "x/s", "stats": ["mean"], **kpi}
        for n, kpi in enumerate(kpis)
    ]
    return Recipe.model_validate({"name": name, "help": "h", "kpis": each, **keys})


ALWAYS = recipe("always", {"kind": "gauge", "metric": "g"})
PACK = recipe(
    "pack",
    {"kind": "counter", "metric": "a_total"},
    {"kind": "histogram", "metric": "h"},
    {"kind": "expr", "expr": "up{$selector}", "stats": ["value"]},
    applies="when_present",
)
RATIO = recipe(
    "ratio", {"kind": "counter", "metric": "a_total", "per": 'b_total{c="1"}'}, applies="when_present"
)


def names(recipes: tuple[Recipe, ...]) -> list[str]:
    return [each.name for each in recipes]


def present(*metrics: str, job: str = "vllm") -> set[tuple[str, str]]:
    return {(name, job) for name in metrics}


def test_a_pack_is_in_force_when_one_of_its_kpis_has_its_metric() -> None:
    assert names(in_force((ALWAYS, PACK), present())) == ["always"]
    assert names(in_force((ALWAYS, PACK), present("g", "h_bucket", "other"))) == ["always"]
    assert names(in_force((ALWAYS, PACK), present("h_count"))) == ["always", "pack"]


def test_a_histogram_is_present_in_either_form_where_there_are_two() -> None:
    assert names(in_force((PACK,), present("h_count"))) == ["pack"]
    assert names(in_force((PACK,), present("h"))) == ["pack"]


def test_a_ratio_is_present_when_both_of_its_metrics_are() -> None:
    assert names(in_force((RATIO,), present("a_total"))) == []
    assert names(in_force((RATIO,), present("a_total", "b_total"))) == ["ratio"]


RENAMED = recipe(
    "renamed",
    {"kind": "gauge", "metric": ["new", {"name": "old", "scale": 100.0}, "oldest"]},
    {"kind": "gauge", "metric": "other"},
    applies="when_present",
)


def test_a_pack_is_present_by_an_older_name_of_a_metric() -> None:
    assert names(in_force((RENAMED,), present("else"))) == []
    assert names(in_force((RENAMED,), present("oldest"))) == ["renamed"]


def test_metrics_of_jobs_that_a_pack_does_not_fit_do_not_count() -> None:
    fitting = recipe("fitting", {"kind": "gauge", "metric": "g"}, services=["vllm*"], applies="when_present")
    assert names(in_force((fitting,), present("g", job="node"))) == []
    assert names(in_force((fitting,), present("g", job="vllm-2"))) == ["fitting"]


def test_a_pack_of_expressions_alone_could_never_be_present() -> None:
    text = (
        b"name: a\nhelp: b\napplies: when_present\nkpis:\n"
        b"  - {name: k, help: K, unit: x, kind: expr, expr: 'up{$selector}', stats: [value]}\n"
    )
    with pytest.raises(InvalidFileError, match="needs at least one KPI with a metric"):
        check_recipe(text)
