"""Packs apply to windows that hold what they measure."""

from dataclasses import replace
from typing import Any

import pytest

from monitord.errors import InvalidFileError
from monitord.kpis.span import Span
from monitord.prometheus.api.series import Answer
from monitord.recipes.load import check_recipe
from monitord.recipes.model import Recipe
from monitord.recipes.presence import in_force, presence_query
from tests.fakes.query_client import answer, series

SPAN = Span("bench01", 1000.0, 1100.0, 5.0)


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


def present(*metrics: str, job: str = "vllm") -> Answer:
    return answer(*(series(1.0, __name__=name, job=job) for name in metrics))


def test_one_query_asks_for_the_metrics_of_all_packs() -> None:
    query = presence_query((ALWAYS, PACK, RATIO), SPAN)
    assert query == SPAN.at_end(
        'group by (__name__, job) (last_over_time({__name__=~"a_total|b_total|h_count",'
        'session="bench01"}[100000ms]))'
    )
    assert presence_query((ALWAYS,), SPAN) is None


def test_a_pack_is_in_force_when_one_of_its_kpis_has_its_metric() -> None:
    assert names(in_force((ALWAYS, PACK), present())) == ["always"]
    assert names(in_force((ALWAYS, PACK), present("g", "h_bucket", "other"))) == ["always"]
    assert names(in_force((ALWAYS, PACK), present("h_count"))) == ["always", "pack"]


def test_a_histogram_is_present_in_either_form_where_there_are_two() -> None:
    query = presence_query((PACK,), replace(SPAN, native=True))
    assert query is not None
    assert '__name__=~"a_total|h|h_count"' in query.promql
    assert names(in_force((PACK,), present("h"))) == ["pack"]


def test_a_ratio_is_present_when_both_of_its_metrics_are() -> None:
    assert names(in_force((RATIO,), present("a_total"))) == []
    assert names(in_force((RATIO,), present("a_total", "b_total"))) == ["ratio"]


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
