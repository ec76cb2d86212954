"""The KPIs over time, for plots: each step of the window measured as if it were a window. Pure.

A percentile of a step is about that step only: those of the window are in the summary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import groupby
from typing import NamedTuple

from monitord.collect.request import CollectionRequest
from monitord.kpis.groups import Group
from monitord.kpis.kind import Reading
from monitord.kpis.kinds import kind_of
from monitord.kpis.promql import SCOPES
from monitord.kpis.span import MAX_TILES, Query, Span
from monitord.prometheus.api.series import Answer, HistogramSeries, Series
from monitord.recipes.model import GROUP_LABELS, Kpi, Recipe
from monitord.system.timestamps import to_iso

MAX_STEPS = 120  # enough points for a plot; everything is in the raw samples
MAX_TARGET_STEPS = 3_600  # with many targets there are fewer steps: an answer has a value for each
FEWEST_STEPS = 20

Ask = Callable[[str, Query], Answer | None]
Key = tuple[str, ...]
Runs = tuple[tuple[tuple[Group, ...], int], ...]  # groups, and in how many steps after one another
Known = dict[tuple[str, str, Runs], Sequence[float | None]]


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


def over_time(request: CollectionRequest, recipe: Recipe, kpi: Kpi, targets: int, ask: Ask) -> list[Course]:
    """Return a KPI's values over time, in steps that together are the window.

    `ask` returns None for a query that failed, which costs all points of the KPI.
    """
    kind = kind_of(kpi.kind)
    values = targets * kind.answer_size(request.native_histograms)
    steps = replace(request.span, most_tiles=most_steps(values))
    step = replace(steps, start=0.0, end=steps.tile_ms / 1000, most_tiles=MAX_TILES)
    stats = kind.stats_over_time(kpi)
    answers: dict[str, Answer] = {}
    for role, query in kind.queries(kpi.model_copy(update={"stats": stats}), recipe.services, step).items():
        answer = _ask(f"{kpi.name}.{role}.over_time", steps, query, ask)
        if answer is None:
            return []
        answers[role] = answer
    readings = [kind.read(each, step) for each in _by_time(answers, steps)]
    start_ms = steps.end_ms - steps.length_ms
    moments = [Moment(to_iso(time / 1000), (time - start_ms) / 1000) for time in _times(steps)]
    known: Known = {}
    return [
        course
        for scope in ("session", *kpi.by)
        for course in _courses(kpi, stats, scope, readings, moments, known)
    ]


def most_steps(targets: int) -> int:
    """Return the maximum number of steps for a window with so many targets."""
    return max(FEWEST_STEPS, min(MAX_STEPS, MAX_TARGET_STEPS // max(1, targets)))


def _ask(use: str, steps: Span, query: Query, ask: Ask) -> Answer | None:
    if " offset " in query.promql:
        return Answer(())  # in the first step it would read data from before the window
    return ask(use, steps.over_tiles(query.promql))


def _by_time(answers: Mapping[str, Answer], steps: Span) -> Iterator[dict[str, Answer]]:
    """Yield the answers at the end of each step, as if each had been asked alone."""
    series: dict[str, dict[int, list[Series]]] = {}
    histograms: dict[str, dict[int, list[HistogramSeries]]] = {}
    for role, answer in answers.items():
        of_role = series[role] = defaultdict(list)
        for each in answer.series:
            for sample in each.samples:
                of_role[round(sample[0] * 1000)].append(Series(each.labels, (sample,)))
        native_of_role = histograms[role] = defaultdict(list)
        for native in answer.histograms:
            for seen in native.samples:
                native_of_role[round(seen[0] * 1000)].append(HistogramSeries(native.labels, (seen,)))
    nothing = Answer(())
    for time in _times(steps):
        yield {
            role: Answer(tuple(series[role].get(time, ())), histograms=tuple(histograms[role].get(time, ())))
            if time in series[role] or time in histograms[role]
            else nothing
            for role in answers
        }


def _times(steps: Span) -> range:
    return range(steps.end_ms - (steps.tiles - 1) * steps.tile_ms, steps.end_ms + 1, steps.tile_ms)


def _courses(
    kpi: Kpi,
    stats: Sequence[str],
    scope: str,
    readings: Sequence[Reading],
    moments: Sequence[Moment],
    known: Known,
) -> Iterator[Course]:
    """Return the courses of a scope: one for whatever has a value at any step.

    `known` keeps what was estimated: a client with one service on one node is the same in three scopes.
    """
    asked_for = "" if kind_of(kpi.kind).merges else scope  # the scope counts only where each has a query
    split = cache(partial(_parts, scope))  # the groups are the same in most steps
    parts = [split(tuple(reading.groups)) for reading in readings]
    keys = sorted({key for each in parts for key in each}) if SCOPES[scope] else [()]
    for key in keys:
        place = dict(zip(SCOPES[scope], key, strict=True))
        client, service, node, gpu = (place.get(label, "") for label in GROUP_LABELS)
        of_key = [each.get(key, ()) for each in parts]
        runs = tuple((groups, len(list(run))) for groups, run in groupby(of_key))
        for stat in stats:
            what = (asked_for, stat, runs)
            if what not in known:
                factor = kpi.scale_of(stat)
                known[what] = [
                    reading.estimate(stat, scope, groups).scaled(factor).value
                    for reading, groups in zip(readings, of_key, strict=True)
                ]
            yield Course(kpi.name, stat, scope, client, service, node, gpu, moments, known[what])


def _parts(scope: str, groups: Sequence[Group]) -> dict[Key, tuple[Group, ...]]:
    """Split groups by the scope's labels; what lacks one of them is in no part."""
    parts: dict[Key, list[Group]] = defaultdict(list)
    for group in groups:
        key = tuple(getattr(group, label) for label in SCOPES[scope])
        if all(key):
            parts[key].append(group)
    return {key: tuple(of_key) for key, of_key in parts.items()}
