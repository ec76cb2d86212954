"""Two artifact folders side by side, or two groups of repeats. Pure.

A value that is missing stays missing. `decision` gives the verdicts, and `same_setup` reports runs that are
not comparable.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from monitord.artifacts.decision import (
    Better,
    Measured,
    Sample,
    Verdict,
    decide,
    overlap,
    percent_change,
    sample,
    separation,
)
from monitord.artifacts.ranks import RankTest, holm, repeats_needed

T = TypeVar("T")
Key = tuple[str, str, str, str, str, str, str]

KEY_COLUMNS = ("kpi", "stat", "scope", "client", "service", "node", "gpu")
SLO_KEYS = ("condition", "status", "value", "limit", "unit", "reason")
# Neither is good or bad by itself, whatever the KPI is.
_WITHOUT_DIRECTION = frozenset(("count", "std"))
_ABSENT = Measured(None)
# The first pair that a row has. Empty or absent: no bounds are known.
_BOUNDS = (("value_lo", "value_hi"), ("bucket_lo", "bucket_hi"))


@dataclass(frozen=True, slots=True)
class Run:
    """The content of an artifact folder: a window, how it was measured, and the rows of its summary.

    `slo` are the results of its conditions, from the manifest. `targets` is how many there were, None if the
    manifest does not list them; `intervals` are those of each scrape job, in seconds. `gpus` is how many
    GPUs have rows of their own.
    """

    folder: str
    window: str
    status: str
    reasons: tuple[str, ...]
    seconds: float
    scrape_interval: float | None
    kpis: Mapping[str, Mapping[str, Any]]
    units: Mapping[Key, str]
    measured: Mapping[Key, Measured]
    slo: tuple[Mapping[str, Any], ...] = ()
    targets: int | None = None
    gpus: int = 0
    intervals: Mapping[str, frozenset[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compared:
    """One KPI, stat and scope, before and after.

    `change` is that of the median in percent, infinite from 0; `limit` is by how many percent a gated row
    may be worse, and `p_adjusted` its p, corrected for all gated rows. `verdict` is None when it is not known
    which direction is better, or a value is missing. `repeats_needed` is how many repeats on each side would
    decide an undecided row at best.
    """

    key: Key
    unit: str
    before: Sample
    after: Sample
    change: float | None
    test: RankTest | None
    better: Better | None
    verdict: Verdict | None = None
    limit: float | None = None
    p_adjusted: float | None = None
    repeats_needed: int | None = None

    @property
    def bounds_overlap(self) -> bool:
        return overlap(self.before, self.after)

    @property
    def is_regression(self) -> bool:
        return self.limit is not None and self.verdict == "worse"

    @property
    def name(self) -> str:
        return names_of(self.key)[0]


def run_of(folder: str, manifest: Mapping[str, Any], summary: Mapping[str, Any]) -> Run:
    """Return a folder's content, from its manifest and `metrics_summary.json`.

    Raises KeyError, TypeError or ValueError when they are not those of a window.
    """
    rows = {_key(row): row for row in summary["rows"]}
    interval = manifest["prometheus"].get("scrape_interval_seconds")
    targets = manifest.get("targets")
    return Run(
        folder,
        manifest["window"]["id"],
        manifest["status"],
        tuple(reason["message"] for reason in manifest["reasons"]),
        float(manifest["window"]["seconds"]),
        interval,
        summary["kpis"],
        {key: row["unit"] for key, row in rows.items()},
        {key: _measured(row) for key, row in rows.items()},
        tuple({name: each[name] for name in SLO_KEYS} for each in manifest.get("slo", ())),
        None if targets is None else len(targets),
        len({key[-2:] for key in rows if key[-1]}),
        _intervals(targets or (), interval),
    )


def _measured(row: Mapping[str, Any]) -> Measured:
    value = _number(row["value"])
    status, reason = row.get("status") or "ok", row.get("reason") or ""
    remark = reason if status == "ok" else f"{status}: {reason}" if reason else status
    if value is None:
        return Measured(None, None, remark)
    for names in _BOUNDS:
        low, high = (_number(row.get(name)) for name in names)
        if low is not None or high is not None:
            ends = -math.inf if low is None else low, math.inf if high is None else high
            return Measured(value, (min(ends[0], value), max(ends[1], value)), remark)
    return Measured(value, None, remark)


def _number(found: Any) -> float | None:
    """Return a number of a summary; infinity is a text in JSON."""
    value = None if found is None or found == "" else float(found)
    return None if value is None or math.isnan(value) else value


def _intervals(targets: Iterable[Mapping[str, Any]], usual: float | None) -> dict[str, frozenset[float]]:
    """Return at which intervals the targets of each scrape job were scraped, as far as it is known."""
    found: dict[str, frozenset[float]] = {}
    for target in targets:
        interval = target.get("interval_seconds") or usual
        if interval is not None:
            job = str(target.get("job", ""))
            found[job] = found.get(job, frozenset()) | {float(interval)}
    return found


def compare(
    before: Sequence[Run],
    after: Sequence[Run],
    limits: Mapping[str, float],
    directions: Mapping[str, Better],
) -> list[Compared]:
    """Compare every row that any run has.

    `limits` says for a `KPI` or `KPI.STAT` by how many percent its session's row may be worse: that gates
    the row. `directions` gives which direction is better, and overrides the recipes.
    """
    runs = (*before, *after)
    keys = dict.fromkeys(key for run in runs for key in run.measured)
    rows = [_paired(key, before, after, limits, directions) for key in keys]
    gated = {row.key: row.test.p for row in rows if row.limit is not None and row.test}
    adjusted = dict(zip(gated, holm([*gated.values()]), strict=True))
    return [_judged(row, adjusted.get(row.key), len(gated)) for row in rows]


def _paired(
    key: Key,
    before: Sequence[Run],
    after: Sequence[Run],
    limits: Mapping[str, float],
    directions: Mapping[str, Better],
) -> Compared:
    """Return a row without a verdict."""
    first, second = (sample([run.measured.get(key, _ABSENT) for run in side]) for side in (before, after))
    change = percent_change(first, second)
    test = None if change is None else separation(first, second)
    better = _direction(key, (*before, *after), directions)
    limit = _named(limits, key) if key[2] == "session" and better else None
    unit = next(run.units[key] for run in (*before, *after) if key in run.units)
    return Compared(key, unit, first, second, change, test, better, limit=limit)


def _judged(row: Compared, p_adjusted: float | None, gated: int) -> Compared:
    """Return a row with its verdict; a row that is not gated is judged by itself."""
    raw = row.test.p if row.test else None
    p = raw if p_adjusted is None else p_adjusted
    verdict = decide(row.change, p, row.better, row.limit, may_be_equal=row.bounds_overlap)
    tests = 1 if p_adjusted is None else gated
    needed = repeats_needed(tests) if verdict == "undecided" else None
    return replace(row, verdict=verdict, p_adjusted=p_adjusted, repeats_needed=needed)


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
