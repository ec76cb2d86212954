"""Two artifact folders side by side, or two groups of repeats. Pure.

A value that is missing stays missing. `same_setup` reports runs that are not comparable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TypeVar

from monitord.artifacts.ranks import RankTest, mann_whitney

T = TypeVar("T")
Better = Literal["lower", "higher"]
Verdict = Literal["better", "worse", "same"]
Key = tuple[str, str, str, str, str, str, str]

KEY_COLUMNS = ("kpi", "stat", "scope", "client", "service", "node", "gpu")
SLO_KEYS = ("condition", "status", "value", "limit", "unit", "reason")
# Neither is good or bad by itself, whatever the KPI is.
_WITHOUT_DIRECTION = frozenset(("count", "std"))


@dataclass(frozen=True, slots=True)
class Run:
    """The content of an artifact folder: a window, how it was measured, and the rows of its summary.

    `slo` are the results of its conditions, from the manifest.
    """

    folder: str
    window: str
    status: str
    reasons: tuple[str, ...]
    seconds: float
    scrape_interval: float | None
    kpis: Mapping[str, Mapping[str, Any]]
    units: Mapping[Key, str]
    values: Mapping[Key, float | None]
    slo: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A number in each run of a group, those that have it; the rest are `missing`."""

    values: tuple[float, ...]
    missing: int

    @property
    def median(self) -> float | None:
        return median(self.values) if self.values else None


@dataclass(frozen=True, slots=True)
class Compared:
    """One KPI, stat and scope, before and after.

    `change` is that of the median in percent, infinite from 0; `limit` is by how many percent it may
    be worse. `verdict` is None when it is not known which direction is better, or a value is missing.
    """

    key: Key
    unit: str
    before: Sample
    after: Sample
    change: float | None
    test: RankTest | None
    better: Better | None
    verdict: Verdict | None
    limit: float | None = None

    @property
    def is_regression(self) -> bool:
        if self.limit is None or self.change is None or self.verdict != "worse":
            return False
        worse = abs(self.change)
        # A change of just 7 % may come out as 7.000000000000001.
        return worse > self.limit and not math.isclose(worse, self.limit)


def run_of(folder: str, manifest: Mapping[str, Any], summary: Mapping[str, Any]) -> Run:
    """Return a folder's content, from its manifest and `metrics_summary.json`.

    Raises KeyError, TypeError or ValueError when they are not those of a window.
    """
    rows = {_key(row): row for row in summary["rows"]}
    return Run(
        folder,
        manifest["window"]["id"],
        manifest["status"],
        tuple(reason["message"] for reason in manifest["reasons"]),
        float(manifest["window"]["seconds"]),
        manifest["prometheus"].get("scrape_interval_seconds"),
        summary["kpis"],
        {key: row["unit"] for key, row in rows.items()},
        {key: None if row["value"] is None else float(row["value"]) for key, row in rows.items()},
        tuple({name: each[name] for name in SLO_KEYS} for each in manifest.get("slo", ())),
    )


def compare(
    before: Sequence[Run],
    after: Sequence[Run],
    limits: Mapping[str, float],
    directions: Mapping[str, Better],
) -> list[Compared]:
    """Compare every row that any run has.

    `limits` says for a `KPI` or `KPI.STAT` by how many percent its session's row may be worse;
    `directions` gives which direction is better, and overrides the recipes.
    """
    runs = (*before, *after)
    keys = dict.fromkeys(key for run in runs for key in run.values)
    return [_compared(key, before, after, limits, directions) for key in keys]


def _compared(
    key: Key,
    before: Sequence[Run],
    after: Sequence[Run],
    limits: Mapping[str, float],
    directions: Mapping[str, Better],
) -> Compared:
    first, second = _sample(key, before), _sample(key, after)
    old, new = first.median, second.median
    change = None if old is None or new is None else _percent(old, new)
    test = mann_whitney(first.values, second.values) if change is not None else None
    better = _direction(key, (*before, *after), directions)
    verdict = _verdict(change, test, better)
    limit = _named(limits, key) if key[2] == "session" and better else None
    unit = next(run.units[key] for run in (*before, *after) if key in run.units)
    return Compared(key, unit, first, second, change, test, better, verdict, limit)


def _verdict(change: float | None, test: RankTest | None, better: Better | None) -> Verdict | None:
    if change is None or test is None or better is None:
        return None
    if change == 0 or not test.is_significant:
        return "same"
    return "better" if (change < 0) == (better == "lower") else "worse"


def _percent(old: float, new: float) -> float | None:
    if new == old:
        return 0.0
    if math.isinf(old):
        return None
    return math.copysign(math.inf, new) if old == 0 else 100 * ((new - old) / abs(old))


def _sample(key: Key, runs: Iterable[Run]) -> Sample:
    found = [run.values.get(key) for run in runs]
    known = tuple(value for value in found if value is not None and not math.isnan(value))
    return Sample(known, len(found) - len(known))


def _direction(key: Key, runs: Iterable[Run], directions: Mapping[str, Better]) -> Better | None:
    if key[1] in _WITHOUT_DIRECTION:
        return None
    direction = _named(directions, key)
    return direction or next(
        (kpi["better"] for run in runs if (kpi := run.kpis.get(key[0], {})).get("better")), None
    )


def names_of(key: Key) -> tuple[str, str]:
    """Return what a limit or a direction may call a row, the narrower name first."""
    return f"{key[0]}.{key[1]}", key[0]


def _named(of: Mapping[str, T], key: Key) -> T | None:
    return next((of[name] for name in names_of(key) if name in of), None)


def _key(row: Mapping[str, Any]) -> Key:
    kpi, stat, scope, client, service, node, gpu = (row[column] for column in KEY_COLUMNS)
    return kpi, stat, scope, client, service, node, gpu
