"""The KPIs over time, for plots: each step of the window measured as if it were a window. Pure.

A percentile of a step is about that step only: those of the window are in the summary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from monitord.collect.summary import groups_by_scope
from monitord.kpis.groups import Group
from monitord.kpis.kind import Reading
from monitord.kpis.kinds import kind_of
from monitord.kpis.promql import SCOPES
from monitord.kpis.span import Span
from monitord.recipes.model import GROUP_LABELS, Kpi
from monitord.system.timestamps import to_iso


class TimePoint(NamedTuple):
    """A KPI's value over the step that ends at `timestamp`, as published; None is unknown."""

    timestamp: str
    elapsed_s: float
    kpi: str
    stat: str
    scope: str
    client: str
    service: str
    node: str
    gpu: str
    value: float | None


COLUMNS = TimePoint._fields


class Moment(NamedTuple):
    """The end of a step, as published, and how many seconds after the window's start it is."""

    timestamp: str
    elapsed_s: float


class Course(NamedTuple):
    """A stat of a KPI over time: at each moment its value over the step that ends there; None is unknown."""

    kpi: str
    stat: str
    scope: str
    client: str
    service: str
    node: str
    gpu: str
    moments: Sequence[Moment]
    values: Sequence[float | None]

    @property
    def what(self) -> tuple[str, str, str, str, str, str, str]:
        """The cells that all of its points have."""
        return self[:7]

    def points(self) -> Iterator[TimePoint]:
        for moment, value in zip(self.moments, self.values, strict=True):
            yield TimePoint(*moment, *self.what, value)


def courses(start_ms: int, span: Span, kpi: Kpi, reading: Reading) -> Iterator[Course]:
    """Yield a KPI's values over time, for whatever has a value at any step of what is measured.

    `start_ms` (Unix milliseconds) is where the window starts, which moments are counted from.
    """
    kind = kind_of(kpi.kind)
    moments = [Moment(to_iso(end), (round(end * 1000) - start_ms) / 1000) for end in span.step_ends()]
    # A client with one service on one node is the same in three scopes.
    known: dict[tuple[str, str, tuple[Group, ...]], Sequence[float | None]] = {}
    for scope in ("session", *kpi.by):
        asked_for = "" if kind.merges else scope  # the scope counts only where each has a query
        parts = groups_by_scope(scope, reading.groups)
        for key in sorted(parts):
            groups = parts[key]
            place = dict(zip(SCOPES[scope], key, strict=True))
            client, service, node, gpu = (place.get(label, "") for label in GROUP_LABELS)
            for stat in kind.stats_over_time(kpi):
                what = (asked_for, stat, groups)
                if what not in known:
                    known[what] = _values(reading.over_time(stat, scope, groups), kpi.scale_of(stat))
                if known[what]:
                    yield Course(kpi.name, stat, scope, client, service, node, gpu, moments, known[what])


def _values(found: Sequence[float], factor: float) -> Sequence[float | None]:
    return [None if math.isnan(value) else value * factor for value in found]
