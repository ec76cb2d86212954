"""The rows of the summary: every stat of a KPI in every scope, with how well it is covered."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Literal

from monitord.collect.coverage import TargetCoverage, worst
from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group
from monitord.kpis.kind import Reading
from monitord.kpis.kinds import kind_of
from monitord.kpis.promql import SCOPES
from monitord.recipes.model import GROUP_LABELS, Kpi

ValueStatus = Literal["ok", "partial", "no_data", "error"]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KpiRow:
    """One number of the summary, as published; None is an empty field, and unknown."""

    run_id: str
    kpi: str
    stat: str
    value: float | None
    unit: str
    scope: str
    client: str
    service: str
    node: str
    gpu: str
    n: int | None
    bucket_lo: float | None
    bucket_hi: float | None
    coverage: float | None
    status: ValueStatus
    reason: str
    value_lo: float | None = None
    value_hi: float | None = None


COLUMNS = tuple(field.name for field in fields(KpiRow))


@dataclass(frozen=True, slots=True)
class Subject:
    """A KPI of a run, and the targets that fit its recipe's `services`."""

    run_id: str
    kpi: Kpi
    min_coverage: float
    targets: tuple[TargetCoverage, ...]
    max_uncertainty: float = math.inf


@dataclass(frozen=True, slots=True)
class Grade:
    """How far a number can be trusted."""

    coverage: float | None
    status: ValueStatus
    reason: str


def fitting_targets(targets: Sequence[TargetCoverage], services: Sequence[str]) -> tuple[TargetCoverage, ...]:
    """Return the targets whose job name fits one of a recipe's patterns."""
    return tuple(t for t in targets if any(fnmatchcase(t.job, pattern) for pattern in services))


def kpi_rows(subject: Subject, reading: Reading) -> list[KpiRow]:
    """Return a KPI's rows: the session's first, always, then those of each scope in `by`."""
    kpi = subject.kpi
    merges = kind_of(kpi.kind).merges
    jobs = {group.job for group in reading.groups}
    # A target that was down all along counts against the KPI that its job provides elsewhere.
    targets = tuple(t for t in subject.targets if not merges or t.job in jobs)
    rows = []
    known: dict[tuple[str, str, tuple[Group, ...]], Estimate] = {}
    for scope in ("session", *kpi.by):
        for key, groups, covering in _parts(scope, kpi, reading, targets):
            place = dict(zip(SCOPES[scope], key, strict=True))
            missed = merges and _is_missed(groups, covering)
            for stat in kpi.stats:
                what = ("" if merges else scope, stat, groups)
                if what not in known:
                    known[what] = reading.estimate(stat, scope, groups).scaled(kpi.scale_of(stat))
                row = _row(subject, stat, known[what], _grade(subject, known[what], covering, missed))
                rows.append(_placed(row, scope, place))
    return rows


def _is_missed(groups: Sequence[Group], targets: Sequence[TargetCoverage]) -> bool:
    """Return whether a target was not scraped in the window, and not measured by the scrapes around it."""
    unscraped = {target.identity for target in targets if not target.scrapes}
    return bool(unscraped) and not unscraped <= {(g.job, g.instance, g.client) for g in groups}


def groups_by_scope(scope: str, groups: Collection[Group]) -> dict[Key, tuple[Group, ...]]:
    """Split groups by the scope's labels; what lacks one of them is in no part.

    They are in order, so that sums are rounded alike in whichever order the targets were read.
    """
    in_order = sorted(groups)
    if scope == "session":
        return {(): tuple(in_order)}
    parts: dict[Key, list[Group]] = defaultdict(list)
    for group in in_order:
        key = tuple(getattr(group, label) for label in SCOPES[scope])
        if all(key):
            parts[key].append(group)
    return {key: tuple(of_key) for key, of_key in parts.items()}


def _placed(row: KpiRow, scope: str, place: Mapping[str, str]) -> KpiRow:
    client, service, node, gpu = (place.get(label, "") for label in GROUP_LABELS)
    return replace(row, scope=scope, client=client, service=service, node=node, gpu=gpu)


def failed_rows(subject: Subject) -> list[KpiRow]:
    """Return the rows of a KPI that could not be asked for."""
    grade = Grade(None, "error", why.QUERY_FAILED)
    return [_row(subject, stat, Estimate(None), grade) for stat in subject.kpi.stats]


def _parts(
    scope: str, kpi: Kpi, reading: Reading, targets: Sequence[TargetCoverage]
) -> Iterator[tuple[Key, tuple[Group, ...], list[TargetCoverage]]]:
    """Split groups and targets by the scope's labels; what lacks one of them is in no part."""
    known = tuple(label for label in SCOPES[scope] if label != "gpu")  # targets do not have a gpu label
    groups = groups_by_scope(scope, reading.groups)
    covering: dict[Key, list[TargetCoverage]] = defaultdict(list)
    for target in targets:
        covering[tuple(getattr(target, label) for label in known)].append(target)
    keys = set(groups)
    if scope != "gpu" and kind_of(kpi.kind).merges:
        keys |= {key for key in covering if all(key)}
    for key in sorted(keys):
        yield key, groups.get(key, ()), covering.get(key[: len(known)], [])


def _grade(subject: Subject, estimate: Estimate, targets: Sequence[TargetCoverage], missed: bool) -> Grade:
    """Return how far a value can be trusted; its coverage is the worst of what it rests on.

    `missed` means that it leaves a target out, which is scraped less often than the window is long.
    """
    coverage = worst(targets)
    if estimate.value is None:
        absent = estimate.reason == why.METRIC_ABSENT
        return Grade(coverage, "no_data", _absence(targets or subject.targets) if absent else estimate.reason)
    wide = why.EDGE_UNCERTAIN if estimate.bucket is None else why.WIDE_BUCKET
    is_covered = coverage is None or coverage >= subject.min_coverage
    if coverage is not None:
        coverage = min(coverage, estimate.presence)
    reasons = (
        (estimate.reason, bool(estimate.reason)),
        (why.WINDOW_TOO_SHORT, missed and coverage != 0),
        (why.SPARSE_SERIES, estimate.presence < subject.min_coverage),
        (why.LOW_COVERAGE, not is_covered),
        (wide, estimate.uncertainty > subject.max_uncertainty),
    )
    reason = next((reason for reason, holds in reasons if holds), "")
    return Grade(coverage, "partial" if reason else "ok", reason)


def _absence(targets: Sequence[TargetCoverage]) -> str:
    """Return why a metric is missing: no target, none was scraped or up, or it is not exported."""
    if not targets:
        return why.NO_TARGETS
    if not any(t.expected_scrapes or t.scrapes for t in targets):
        return why.WINDOW_TOO_SHORT
    return why.METRIC_ABSENT if any(t.successes for t in targets) else why.TARGET_DOWN


def _row(subject: Subject, stat: str, estimate: Estimate, grade: Grade) -> KpiRow:
    """Return the session's row."""
    return KpiRow(
        run_id=subject.run_id,
        kpi=subject.kpi.name,
        stat=stat,
        value=estimate.value,
        unit=subject.kpi.unit_of(stat),
        scope="session",
        client="",
        service="",
        node="",
        gpu="",
        n=estimate.n,
        bucket_lo=estimate.bucket and estimate.bucket.low,
        bucket_hi=estimate.bucket and estimate.bucket.high,
        coverage=grade.coverage,
        status=grade.status,
        reason=grade.reason,
        value_lo=estimate.bounds and estimate.bounds.low,
        value_hi=estimate.bounds and estimate.bounds.high,
    )
