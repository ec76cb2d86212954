"""Whether a window kept its SLO conditions. Pure.

A condition is `met` only where all that the value can be meets it, `breached` where nothing does, else
`unknown`: what is not known neither meets nor breaches a condition. A recipe's conditions are about its own
KPIs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from monitord.collect.coverage import TargetCoverage, overall
from monitord.collect.summary import KpiRow
from monitord.documents.conditions import (
    COVERAGE,
    REPORTED,
    Condition,
    Measure,
    misfit,
    parse_condition,
    unit_problem,
)
from monitord.recipes.model import Recipe, measures_of
from monitord.windows.model import Window

SloStatus = Literal["met", "breached", "unknown"]
_WORST_FIRST: tuple[SloStatus, ...] = ("breached", "unknown", "met")


@dataclass(frozen=True, slots=True)
class SloResult:
    """The result of a condition.

    `value` and `limit` are in `unit`, that of what is measured; the value is the one furthest from
    the limit in the bad direction, where a scope has several. `recipe` names the recipe that the
    condition is from, None when it is the window's own.
    """

    condition: str
    status: SloStatus
    value: float | None
    limit: float | None
    unit: str
    reason: str
    recipe: str | None = None


def worst_of(statuses: Iterable[SloStatus]) -> SloStatus | None:
    """Return the worst result of the conditions; None when there are none."""
    found = set(statuses)
    return next((status for status in _WORST_FIRST if status in found), None)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A number that a condition is about; the true one lies from `low` to `high`, its bounds included.

    None for both: the value is all that is known.
    """

    value: float | None
    unit: str
    place: str = ""
    reason: str = ""
    low: float | None = None
    high: float | None = None


def judge_slo(
    window: Window, recipes: Sequence[Recipe], rows: Sequence[KpiRow], targets: Sequence[TargetCoverage]
) -> tuple[SloResult, ...]:
    """Return the results of the window's conditions, then of each recipe's; duplicates are left out."""
    asked: dict[str, str | None] = dict.fromkeys(window.slo)
    for recipe in recipes:
        for text in recipe.slo:
            asked.setdefault(text, recipe.name)
    measures = measures_of(recipes)
    return tuple(
        _judge(parse_condition(text), source, rows, targets, measures) for text, source in asked.items()
    )


def _judge(
    condition: Condition,
    recipe: str | None,
    rows: Sequence[KpiRow],
    targets: Sequence[TargetCoverage],
    measures: Mapping[str, Measure],
) -> SloResult:
    measured = _coverage(condition, targets) if condition.kpi == COVERAGE else _of_rows(condition, rows)
    unit = measured[0].unit if measured else ""
    limit = condition.limit_in(unit)
    if not measured or limit is None:
        reason = misfit(condition, measures) or (
            unit_problem(condition, unit) if measured else _absence(condition)
        )
        return SloResult(condition.text, "unknown", None, None, unit, reason, recipe)
    verdicts = [(_status(condition, each, limit), each) for each in measured]
    status = min((status for status, _ in verdicts), key=_WORST_FIRST.index)
    at_fault = [each for each_status, each in verdicts if each_status == status]
    worst = max if condition.operator.startswith("<") else min
    decisive = worst(at_fault, key=lambda each: math.nan if each.value is None else each.value)
    return SloResult(condition.text, status, decisive.value, limit, unit, _reason(decisive, limit), recipe)


def _status(condition: Condition, measured: _Measured, limit: float) -> SloStatus:
    if measured.value is None or math.isnan(measured.value):
        return "unknown"
    ends = {measured.value, measured.low, measured.high} - {None}
    holds = {condition.holds(end, limit) for end in ends if end is not None}
    if len(holds) > 1:
        return "unknown"
    return "met" if True in holds else "breached"


def _reason(measured: _Measured, limit: float) -> str:
    facts = [measured.place, measured.reason]
    low, high = measured.low, measured.high
    if low is not None and high is not None and low < high and low <= limit <= high:
        facts.append(f"the true value lies between {low:g} and {high:g}")
    return "; ".join(filter(None, facts))


def _of_rows(condition: Condition, rows: Iterable[KpiRow]) -> list[_Measured]:
    return [
        _Measured(row.value, row.unit, _place(row), row.reason, *_interval(row))
        for row in rows
        if (row.kpi, row.stat, row.scope) == (condition.kpi, condition.stat, condition.scope)
        and all(getattr(row, label) == value for label, value in condition.labels.items())
    ]


def _interval(row: KpiRow) -> tuple[float | None, float | None]:
    """Return the bounds of a row's value, both included.

    A percentile lies above its lower bound. That it lies at its upper bound, which is one of a bucket, is
    taken to be impossible: else no limit could be met that was chosen to be a bucket's.
    """
    if row.bucket_lo is None or row.bucket_hi is None:
        return row.value_lo, row.value_hi
    low = row.bucket_lo if row.value_lo is None else row.value_lo
    high = row.bucket_hi if row.value_hi is None else row.value_hi
    return math.nextafter(low, math.inf), math.nextafter(high, -math.inf)


def _place(row: KpiRow) -> str:
    labels = {name: getattr(row, name) for name in ("client", "service", "node", "gpu")}
    return ", ".join(f"{name} {value}" for name, value in labels.items() if value)


def _coverage(condition: Condition, targets: Iterable[TargetCoverage]) -> list[_Measured]:
    fitting = [
        target
        for target in targets
        if all(getattr(target, label) == value for label, value in condition.labels.items())
    ]
    ratio = overall(fitting)
    return [_Measured(ratio, "ratio", reason="no scrape was due" if ratio is None else "")]


def _absence(condition: Condition) -> str:
    if condition.kpi.startswith(REPORTED):
        return f"the client reported no {condition.kpi.removeprefix(REPORTED)} in its stop marker"
    labels = ", ".join(f"{name} {value}" for name, value in condition.labels.items())
    return f"there is no row of {condition.measure} for {labels}"
