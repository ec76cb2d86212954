"""SLO conditions: their grammar, and whether they fit the KPIs there are. Pure.

    condition := measure [ scope ] operator number [ unit ]
    measure   := KPI "." STAT | "reported." NAME | "coverage"
    scope     := "{" LABEL "=" '"' VALUE '"' { "," … } "}"     LABEL: client, service, node, gpu
    operator  := "<" | "<=" | ">" | ">="

As in `latency.p99{service="vllm"} < 250 ms`. Without a scope it is about the whole session, without
a unit in the unit of what it measures. With a scope it must hold for everything that fits it.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from monitord.documents.units import convert, fitting_units
from monitord.documents.validation import did_you_mean, refuse
from monitord.errors import excerpt

COVERAGE = "coverage"
REPORTED = "reported."
SCOPE_LABELS = {
    "client": ("client",),
    "service": ("client", "service"),
    "node": ("node",),
    "gpu": ("node", "gpu"),
}
OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
EXAMPLE = "write KPI.STAT, a comparison and a number with its unit, such as latency.p99 < 250 ms"

_LABEL = r'[a-z]+\s*=\s*"[^"\\]*"'
_PARTS = {
    "KPI.STAT": r"coverage|reported\.[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
    r"|[a-z][a-z0-9_]{0,63}\.[a-z][a-z0-9.]{0,31}",
    "a scope": rf"(?:\{{\s*{_LABEL}\s*(?:,\s*{_LABEL}\s*)*\}})?",
    "one of < <= > >=": "<=|>=|<|>",
    "a number": r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?",
    "a unit": r'(?:[^\s<>={}"0-9,;.+-][^\s<>={}",;]*)?',
}  # fmt: skip
_COMPILED = {what: re.compile(rf"\s*({pattern})", re.ASCII) for what, pattern in _PARTS.items()}
_PAIR = re.compile(r'([a-z]+)\s*=\s*"([^"\\]*)"', re.ASCII)
_PATTERN = "^" + "".join(rf"\s*(?:{pattern})" for pattern in _PARTS.values()) + r"\s*$"
_MEANT = {"=": "<= or >=", "==": "<= or >=", "=<": "<=", "=>": ">=", "≤": "<=", "≥": ">="}


@dataclass(frozen=True, slots=True)
class Measure:
    """A stat of a KPI: its unit, and the scopes that it has rows for."""

    unit: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; `labels` are those of its scope, `scope` the rows that it is about.

    `unit` is empty where it is that of what is measured.
    """

    text: str
    kpi: str
    stat: str
    scope: str
    labels: Mapping[str, str]
    operator: str
    limit: float
    unit: str

    @property
    def measure(self) -> str:
        """What is measured, as the condition has it."""
        return (
            self.kpi if self.kpi == COVERAGE or self.kpi.startswith(REPORTED) else f"{self.kpi}.{self.stat}"
        )

    def holds(self, value: float, limit: float) -> bool:
        """Return whether a value meets a limit in the same unit."""
        return OPERATORS[self.operator](value, limit)

    def limit_in(self, unit: str) -> float | None:
        """Return the limit in the unit of what is measured; None when it cannot be converted."""
        return self.limit if not self.unit else convert(self.limit, self.unit, unit)


def parse_condition(text: str) -> Condition:
    """Parse a condition. Raises ValueError with the position of the error."""
    found, at = [], 0
    for what, pattern in _COMPILED.items():
        match = pattern.match(text, at)
        if match is None:
            raise ValueError(_unexpected(text, at, what))
        found.append(match[1])
        at = match.end()
    if text[at:].strip():
        raise ValueError(_unexpected(text, at, "nothing more"))
    measure, scope, comparison, number, unit = found
    kpi, stat = _split(measure)
    pairs = _PAIR.findall(scope)
    labels = dict(pairs)
    if len(labels) < len(pairs):
        raise ValueError(f"{scope} has the same label twice; keep one of them")
    limit = float(number)
    if not math.isfinite(limit):
        raise ValueError(f"{number} is too large; {EXAMPLE}")
    condition = Condition(text, kpi, stat, _scope_of(labels), labels, comparison, limit, unit)
    if kpi == COVERAGE:
        if "gpu" in labels:
            raise ValueError("coverage is measured per target, not per gpu; use client, service or node")
        if problem := unit_problem(condition, "ratio"):
            raise ValueError(problem)
    if kpi.startswith(REPORTED) and labels:
        raise ValueError(f"{kpi} is for the whole session; remove the scope")
    return condition


def unit_problem(condition: Condition, unit: str) -> str:
    """Return why the condition's unit cannot be converted to that of its measure; empty if it can."""
    if condition.limit_in(unit) is not None:
        return ""
    hint = did_you_mean(condition.unit, fitting_units(unit))
    own = excerpt(condition.unit)
    return f"{condition.measure} is in {unit or 'no unit'}, and {own} cannot be converted to it{hint}"


def misfit(condition: Condition, measures: Mapping[str, Measure]) -> str:
    """Return why a condition does not fit any of these measures, by `KPI.STAT`; empty if it does.

    Conditions on reported.* always fit, because only clients know these.
    """
    if condition.kpi == COVERAGE or condition.kpi.startswith(REPORTED):
        return ""
    measure = condition.measure
    if measure in measures:
        if condition.scope not in measures[measure].scopes:
            return f"{condition.kpi} has no rows per {condition.scope}; add it to `by` in its recipe"
        return unit_problem(condition, measures[measure].unit)
    stats = [known.partition(".")[2] for known in measures if known.startswith(f"{condition.kpi}.")]
    if stats:
        return f"{condition.kpi} has no stat {condition.stat}; it has {', '.join(stats)}"
    return f"there is no KPI {condition.kpi}{did_you_mean(measure, tuple(measures))}"


def _checked(text: str) -> str:
    try:
        parse_condition(text)
    except ValueError as error:
        raise refuse(str(error)) from None
    return text


ConditionText = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["latency.p99 < 250 ms"]}),
]


def _split(measure: str) -> tuple[str, str]:
    if measure == COVERAGE or measure.startswith(REPORTED):
        return measure, "value"
    kpi, _, stat = measure.partition(".")
    return kpi, stat


def _scope_of(labels: Mapping[str, str]) -> str:
    """Return the scope whose rows have all of these labels, the widest if there are several."""
    for label in labels:
        if label not in SCOPE_LABELS:
            raise ValueError(
                f"{excerpt(label)} is not a scope label{did_you_mean(label, tuple(SCOPE_LABELS))}"
            )
    if not labels:
        return "session"
    for scope, known in SCOPE_LABELS.items():
        if labels.keys() <= set(known):
            return scope
    raise ValueError(f"{' and '.join(labels)} cannot be combined in a scope; use one of them")


def _unexpected(text: str, at: int, what: str) -> str:
    rest = text[at:].strip()
    place = len(text) - len(text[at:].lstrip()) + 1
    found = f"'{excerpt(rest, 30)}'" if rest else "its end"
    meant = next((right for wrong, right in _MEANT.items() if rest.startswith(wrong)), "")
    advice = f"write {meant}" if meant and "<" in what else EXAMPLE
    if rest.startswith("{"):
        advice = 'write a scope as {node="mel0042"}'
    return (
        f"'{excerpt(text)}' is not a condition: expected {what} at character {place}, found {found}; {advice}"
    )
