"""Whether a window kept its conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.collect.coverage import TargetCoverage
from monitord.collect.slo import SloResult, SloStatus, judge_slo, worst_of
from monitord.collect.summary import KpiRow
from monitord.documents.conditions import OPERATORS
from monitord.recipes.load import check_recipe, load_recipes
from monitord.windows.model import Window

RECIPES = load_recipes()
LATENCY = KpiRow(
    "w", "latency", "p99", 200.0, "ms", "session", "", "", "", "", 100, 100.0, 250.0, 1.0, "ok", ""
)  # fmt: skip


def judged(condition: str, *rows: KpiRow, targets: tuple[TargetCoverage, ...] = ()) -> SloResult:
    (found,) = judge_slo(Window("w", 0.0, 100.0, slo=(condition,)), RECIPES, rows, targets)
    assert found.condition == condition
    return found


def target(successes: int, service: str) -> TargetCoverage:
    return TargetCoverage(
        service, "i:1", "c", service, "n", 20, 20, successes, None, 5.0, None, None, None, True
    )


def test_the_limit_is_converted_into_the_unit_of_the_kpi() -> None:
    assert judged("latency.p99 < 0.3 s", LATENCY) == SloResult(
        "latency.p99 < 0.3 s", "met", 200.0, 300.0, "ms", ""
    )
    assert judged("latency.p99 < 0.1 s", LATENCY).status == "breached"


def test_a_limit_inside_the_bucket_of_a_percentile_decides_nothing() -> None:
    found = judged("latency.p99 < 220", LATENCY)
    assert (found.status, found.reason) == ("unknown", "the true value lies between 100 and 250")
    assert (judged("latency.p99 < 250", LATENCY).status, judged("latency.p99 < 250", LATENCY).reason) == (
        "met", "",
    )  # fmt: skip
    assert judged("latency.p99 <= 100", LATENCY).status == "breached"


def test_the_bounds_of_a_percentile_are_wider_than_its_bucket_where_the_counts_are_uncertain() -> None:
    wide = replace(LATENCY, value_lo=50.0, value_hi=500.0)
    assert judged("latency.p99 < 250", wide).status == "unknown"
    assert judged("latency.p99 < 500", wide).status == "met"
    assert judged("latency.p99 < 50", wide).status == "breached"


@given(
    ends=st.tuples(st.integers(-50, 50), st.integers(-50, 50), st.integers(-50, 50)).map(sorted),
    comparison=st.sampled_from(sorted(OPERATORS)),
    limit=st.integers(-60, 60),
)
def test_it_is_met_where_all_values_meet_it_and_breached_where_none_does(
    ends: list[int], comparison: str, limit: int
) -> None:
    low, value, high = map(float, ends)
    row = replace(LATENCY, value=value, value_lo=low, value_hi=high, bucket_lo=None, bucket_hi=None)
    holds = {OPERATORS[comparison](each, limit) for each in range(int(low), int(high) + 1)}
    expected = "unknown" if len(holds) > 1 else "met" if True in holds else "breached"
    assert judged(f"latency.p99 {comparison} {limit}", row).status == expected


@pytest.mark.parametrize(
    ("condition", "status"),
    [("latency.p99 < 250", "unknown"), ("latency.p99 < 150", "breached"), ("latency.p99 > 150", "met"),
     ("latency.p99 > 250", "unknown")],
)  # fmt: skip
def test_a_percentile_above_the_highest_bucket_is_known_to_be_above_only(condition: str, status: str) -> None:
    censored = replace(LATENCY, bucket_lo=200.0, bucket_hi=float("inf"), reason="above_highest_bucket")
    assert judged(condition, censored).status == status


@pytest.mark.parametrize("comparison", sorted(OPERATORS))
def test_what_has_no_data_is_neither_met_nor_breached(comparison: str) -> None:
    empty = replace(
        LATENCY, value=None, bucket_lo=None, bucket_hi=None, status="no_data", reason="metric_absent"
    )
    found = judged(f"latency.p99 {comparison} 0", empty)
    assert (found.status, found.value, found.reason) == ("unknown", None, "metric_absent")


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("latncy.p99 < 1", "there is no KPI latncy; did you mean latency.p99?"),
        ("latency.p98 < 1", "latency has no stat p98"),
        ("latency.p99 < 1 B", "latency.p99 is in ms, and B cannot be converted to it"),
        ("reported.ttft < 1", "the client reported no ttft in its stop marker"),
        ('latency.p99{service="x"} < 1', "there is no row of latency.p99 for service x"),
        ("coverage > 0.5", "no scrape was due"),
    ],
)
def test_what_cannot_be_decided_says_why(condition: str, reason: str) -> None:
    found = judged(condition, LATENCY)
    assert found.status == "unknown"
    assert found.reason.startswith(reason)


def test_a_scope_must_hold_everywhere_and_the_worst_is_told() -> None:
    rows = [
        replace(LATENCY, scope="service", client=client, service="v", value=value, bucket_hi=None)
        for client, value in (("a", 100.0), ("b", 400.0), ("c", 300.0))
    ]
    found = judged('latency.p99{service="v"} < 200', LATENCY, *rows)
    assert (found.status, found.value, found.reason) == ("breached", 400.0, "client b, service v")
    assert judged('latency.p99{service="v", client="a"} < 200', *rows).status == "met"
    missing = replace(rows[0], client="d", value=None, reason="target_down")
    assert judged('latency.p99{service="v"} < 500', *rows, missing).status == "unknown"


def test_coverage_of_all_and_of_a_service() -> None:
    targets = (target(20, "good"), target(10, "bad"))
    assert judged("coverage >= 75 %", targets=targets).status == "met"
    bad = judged('coverage{service="bad"} >= 0.95', targets=targets)
    assert (bad.status, bad.value, bad.unit) == ("breached", 0.5, "ratio")


def test_a_partial_value_is_judged_and_its_reason_kept() -> None:
    partial = replace(LATENCY, status="partial", reason="low_coverage")
    found = judged("latency.p99 < 250", partial)
    assert (found.status, found.reason) == ("met", "low_coverage")


def test_a_recipes_conditions_follow_the_windows_own() -> None:
    recipe = check_recipe(
        b"name: mine\nhelp: h\nslo: [latency.p99 < 1 s, latency.p99 < 1 ms]\n"
        b"kpis: [{name: latency, help: h, unit: ms, kind: histogram, metric: m, stats: [p99]}]\n"
    )
    window = Window("w", 0.0, 100.0, slo=("coverage > 0", "latency.p99 < 1 s"))
    found = judge_slo(window, [recipe], [LATENCY], ())
    assert [(each.condition, each.status, each.recipe) for each in found] == [
        ("coverage > 0", "unknown", None),
        ("latency.p99 < 1 s", "met", None),
        ("latency.p99 < 1 ms", "breached", "mine"),
    ]


@given(
    values=st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=6),
    comparison=st.sampled_from(sorted(OPERATORS)),
    limit=st.integers(-1000, 1000),
)
def test_it_is_breached_by_any_met_by_all_else_unknown(
    values: list[float | None], comparison: str, limit: int
) -> None:
    rows: list[Any] = [
        replace(LATENCY, scope="node", node=f"n{index}", value=value, bucket_lo=None, bucket_hi=None)
        for index, value in enumerate(values)
    ]
    single = [judged(f'latency.p99{{node="{row.node}"}} {comparison} {limit}', row).status for row in rows]
    same = [replace(row, node="n", gpu=str(index), scope="gpu") for index, row in enumerate(rows)]
    found = judged(
        f'latency.p99{{node="n",gpu="0"}} {comparison} {limit}', *[replace(r, gpu="0") for r in same]
    )
    expected = "breached" if "breached" in single else "unknown" if "unknown" in single else "met"
    assert found.status == expected


@pytest.mark.parametrize(
    ("statuses", "worst"),
    [
        ((), None),
        (("met",), "met"),
        (("met", "unknown"), "unknown"),
        (("unknown", "breached", "met"), "breached"),
    ],
)  # fmt: skip
def test_the_worst_is_what_counts(statuses: tuple[SloStatus, ...], worst: SloStatus | None) -> None:
    assert worst_of(statuses) == worst
