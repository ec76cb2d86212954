"""Recipes: what is accepted, and that what is refused is pointed at."""

import json

import pytest

from monitord.errors import InvalidFileError
from monitord.recipes.load import check_recipe
from monitord.recipes.model import Recipe


def recipe(kpi: str, head: str = "name: mine\nhelp: Mine.\n") -> bytes:
    return f"{head}kpis:\n  - {{name: k, help: K., unit: x/s, {kpi}}}\n".encode()


def test_a_counter_with_all_its_keys() -> None:
    kpi = check_recipe(
        recipe("kind: counter, metric: a_total, match: 'm!=\"i\"', scale: 2, stats: [mean, total]")
    ).kpis[0]
    assert (kpi.metric, kpi.match, kpi.scale, kpi.stats) == (
        "a_total",
        'm!="i"',
        2,
        ("mean", "total"),
    )
    assert kpi.unit_of("total") == "x"
    assert kpi.unit_of("mean") == "x/s"


def test_a_kpi_of_several_metrics_is_one_for_each_with_keys_of_its_own() -> None:
    kpi = check_recipe(
        recipe("kind: counter, metric: [new, {name: old, per: all, scale: 100, match: 'm=\"i\"'}], "
               "match: 'm=\"j\"', scale: 2, stats: [mean]")
    ).kpis[0]  # fmt: skip
    assert [(one.metric, one.match, one.per, one.scale) for one in kpi.alternatives()] == [
        ("new", 'm="j"', None, 2),
        ("old", 'm="i"', "all", 100),
    ]
    assert [one.alternatives() for one in kpi.alternatives()] == [(one,) for one in kpi.alternatives()]


@pytest.mark.parametrize(
    ("kpi", "message"),
    [
        ("kind: counter, stats: [mean]", "a counter needs a metric"),
        ("kind: counter, metric: a, stats: [p99]", "a counter has no stat 'p99'"),
        ("kind: counter, metric: a, stats: [std]", "it has mean, rate, min, max, total"),
        ("kind: counter, metric: a, per: b, stats: [total]", "stat total cannot be used with `per`"),
        ("kind: counter, metric: a, per: b, stats: [rate]", "stat rate cannot be used with `per`"),
        ("kind: gauge, metric: a, stats: [rate]", "it has mean, sum, min, max, std, p50"),
        ("kind: gauge, metric: a, per: b, stats: [mean]", "`per` is for kind counter only"),
        ("kind: gauge, metric: a, expr: b, stats: [mean]", "expr is for kind expr"),
        ("kind: gauge, metric: a, stats: []", "the list is empty"),
        ("kind: gauge, metric: a, stats: [mean, mean]", "mean is listed twice"),
        ("kind: gauge, metric: a, stats: [mean], by: [rack]", "found the text 'rack'"),
        ("kind: gauge, metric: a, stats: [mean], scale: 0", "greater than 0"),
        ("kind: gauge, metric: a, stats: [mean], metrik: 0", "did you mean metric?"),
        ("kind: gauge, metric: 'a{x=\"1\"}', stats: [mean]", "is not a metric name"),
        ("kind: gauge, metric: 5, stats: [mean]", "expected text, found the number 5"),
        ("kind: gauge, metric: {name: a}, stats: [mean]", "expected text, found keys and values"),
        ("kind: gauge, metric: [], stats: [mean]", "the list is empty"),
        ("kind: gauge, metric: [a, b, a], stats: [mean]", "a is listed twice"),
        ("kind: gauge, metric: [a, 'b c'], stats: [mean]", "'b c' is not a metric name"),
        ("kind: gauge, metric: [a, 5], stats: [mean]", "expected text, found the number 5"),
        ("kind: gauge, metric: [a, {nam: b}], stats: [mean]", "did you mean name?"),
        ("kind: gauge, metric: [a, {name: b, per: c}], stats: [mean]", "`per` is for kind counter only"),
        ("kind: counter, metric: [{name: a, per: b}, c], stats: [total]", "total cannot be used with `per`"),
        ("kind: gauge, metric: a, match: 'x=\"1\"} or up{', stats: [mean]", "label matchers"),
        ("kind: counter, metric: a, per: 'b{x=1}', stats: [mean]", "is not a selector"),
        ("kind: histogram, metric: a, stats: [p0]", "a histogram has no stat 'p0'"),
        ("kind: histogram, metric: a, stats: [p100]", "a histogram has no stat 'p100'"),
        ("kind: histogram, metric: a, stats: [max]", "other percentiles"),
        ("kind: expr, stats: [value]", "kind expr needs `expr`"),
        ("kind: expr, expr: 'up', stats: [value]", "must select its series"),
        ("kind: expr, expr: 'up{$selector}$windw', stats: [value]", "$windw is unknown"),
        ("kind: expr, expr: 'up{$selector}', by: [node], stats: [value]", "must group by"),
        ("kind: expr, metric: up, expr: 'up{$selector}', stats: [value]", "has no metric"),
        ("kind: expr, expr: 'up{$selector}', distinct: [a], stats: [value]", "kind expr has no `distinct`"),
        ("kind: gauge, metric: a, distinct: [b, b], stats: [mean]", "b is listed twice"),
        ("kind: gauge, metric: a, distinct: [b-c], stats: [mean]", "'b-c' is not a label name"),
        ("kind: gauge, metric: a, distinct: b, stats: [mean]", "expected a list"),
        ("kind: summary, metric: a, stats: [max]", "it has mean, count, total, rate, p50"),
        ("kind: sumary, metric: a, stats: [mean]", "found the text 'sumary'"),
    ],
)
def test_what_is_refused_is_pointed_at(kpi: str, message: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        check_recipe(recipe(kpi))
    assert any(message in problem.message for problem in caught.value.problems), str(caught.value)
    assert all(problem.line == 4 for problem in caught.value.problems)


def test_a_total_of_a_counter_needs_a_unit_per_second() -> None:
    text = recipe("kind: counter, metric: a, stats: [total]").replace(b"x/s", b"W")
    with pytest.raises(InvalidFileError, match="total needs a unit per second"):
        check_recipe(text)


@pytest.mark.parametrize("kind", ["histogram", "summary"])
def test_observations_are_counted_and_their_sum_is_in_the_unit(kind: str) -> None:
    kpi = check_recipe(
        recipe(f"kind: {kind}, metric: a, scale: 1000, stats: [mean, total, count, rate, p5]")
    ).kpis[0]
    assert [(kpi.unit_of(stat), kpi.scale_of(stat)) for stat in kpi.stats] == [
        ("x/s", 1000), ("x/s", 1000), ("observations", 1), ("observations/s", 1), ("x/s", 1000)
    ]  # fmt: skip


def test_a_kpi_is_named_once_and_a_recipe_has_one() -> None:
    twice = recipe("kind: gauge, metric: a, stats: [mean]") + recipe(
        "kind: gauge, metric: a, stats: [max]", ""
    )
    with pytest.raises(InvalidFileError):
        check_recipe(twice)
    with pytest.raises(InvalidFileError, match="the list is empty"):
        check_recipe(b"name: a\nhelp: b\nkpis: []\n")


def test_the_schema_can_be_written() -> None:
    assert "kpis" in json.dumps(Recipe.model_json_schema())
