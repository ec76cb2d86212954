"""A reading in which each thing counts once, however often it was scraped. Pure.

Series that agree in the labels under `distinct:` are the same thing, seen through several targets or as
several series. Of one target's, the one with most samples in the window is taken, and what it lacks from the
next: a label such as a job's may change on the way. Of several targets' that come together in a scope one is
taken, again the one with most samples; of those with as many, the first by its labels. The parts of a
histogram are chosen together, by the same rule. Only what was measured is kept of each, not its samples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol, Self

import numpy as np

from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group
from monitord.kpis.readings.histogram import HistogramReading
from monitord.kpis.readings.target_samples import NAME, Metric, TargetSamples
from monitord.kpis.span import Span
from monitord.prometheus.api.sample_block import HistogramSeries, Labels

_PARTS = {NAME, "le", "quantile"}  # in which the series of one histogram or summary differ
_LOOPBACK = ("127.", "localhost", "::1", "[::1]")

_Key = tuple[str, ...]
_Rank = tuple[int, tuple[tuple[str, str], ...]]


class Mergeable(Protocol):
    """A reading to which all that another one measured can be added."""

    @property
    def groups(self) -> Collection[Group]: ...
    def take(self, role: str, target: TargetSamples, metric: Metric) -> None: ...
    def resets(self, group: Group) -> int | None: ...
    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate: ...
    def over_time(self, stat: str, scope: str, groups: Collection[Group]) -> Sequence[float]: ...
    def include(self, other: Self, /) -> None:
        """Add what another reading of the same KPI measured."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One of the series that are the same thing, with what was measured of it; the lowest rank is taken."""

    rank: _Rank
    reading: Mergeable = field(compare=False)


class DistinctReading:
    """Readings of each series by itself, of which those that are distinct are put together.

    `fresh` returns a reading of the KPI without any samples."""

    def __init__(self, fresh: Callable[[], Mergeable], labels: Sequence[str], span: Span) -> None:
        self._fresh = fresh
        self._labels = labels
        self._span = span
        self._found: dict[Group, dict[_Key, _Candidate]] = {}
        self._merged: tuple[tuple[Group, ...], Mergeable] | None = None

    @property
    def groups(self) -> Collection[Group]:
        measured = (group for of_key in self._found.values() for each in of_key.values()
                    for group in each.reading.groups)  # fmt: skip
        return dict.fromkeys(measured).keys()

    def take(self, role: str, target: TargetSamples, metric: Metric) -> None:
        """Add one target's series of a source; columns are the successful scrapes."""
        times = target.scrapes.successes.starts
        first = np.searchsorted(times, self._span.start_ms / 1000)
        last = np.searchsorted(times, self._span.end_ms / 1000, side="right")
        there = ~np.isnan(metric.values[:, first:last])
        samples = there.sum(axis=1).tolist()
        same: dict[tuple[str, _Key], list[tuple[_Rank, list[int]]]] = {}
        for common, rows in _things(metric.labels):
            labels = dict(common)
            what = (labels.get("gpu", ""), self._key(target.scrapes.labels, labels))
            same.setdefault(what, []).append(((-max(samples[row] for row in rows), common), rows))
        for (gpu, key), things in same.items():
            (rank, rows), *others = sorted(things)
            series = metric.rows(rows)
            if others:
                series = _filled(series, [metric.rows(rows) for _, rows in others])
                inside = ~np.isnan(series.values[:, first:last])
                rank = (-int(inside.sum(axis=1).max()), rank[1])
            reading = self._offer(target.scrapes.group(gpu), (role, *key), rank)
            if reading is not None:
                reading.take(role, target, series)

    def take_native(self, target: TargetSamples, series: Sequence[HistogramSeries]) -> None:
        """Add one target's native histograms."""
        for labels, rows in _things([each.labels for each in series]):
            times = [series[row].times for row in rows]
            inside = [int(((at >= self._span.start_ms) & (at <= self._span.end_ms)).sum()) for at in times]
            group = target.scrapes.group(dict(labels).get("gpu", ""))
            key = ("native", *self._key(target.scrapes.labels, dict(labels)))
            reading = self._offer(group, key, (-max(inside), labels))
            if isinstance(reading, HistogramReading):
                reading.take_native(target, [series[row] for row in rows])

    def resets(self, group: Group) -> int | None:
        found = (each.reading.resets(group) for each in self._found.get(group, {}).values())
        return max((resets for resets in found if resets is not None), default=None)

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:
        return self._of(groups).estimate(stat, scope, groups)

    def over_time(self, stat: str, scope: str, groups: Collection[Group]) -> Sequence[float]:
        return self._of(groups).over_time(stat, scope, groups)

    def _offer(self, group: Group, key: _Key, rank: _Rank) -> Mergeable | None:
        """Return the reading for a series; None when its group has a better one of the same thing."""
        of_group = self._found.setdefault(group, {})
        known = of_group.get(key)
        if known is not None and known.rank <= rank:
            return None
        self._merged = None
        of_group[key] = _Candidate(rank, self._fresh())
        return of_group[key].reading

    def _key(self, of_target: Labels, labels: Labels) -> _Key:
        """Return what a series is known by.

        One that lacks every label that is not the target's is known by all that it has. An address of the
        loopback interface is one on its own node.
        """
        own = [name for name in self._labels if name not in of_target]
        if own and not any(labels.get(name) for name in own):
            return tuple(chain.from_iterable(sorted(labels.items())))
        values = tuple(labels.get(name, "") for name in self._labels)
        is_local = any(value.startswith(_LOOPBACK) for value in values)
        return (*values, labels.get("node", "")) if is_local else values

    def _of(self, groups: Collection[Group]) -> Mergeable:
        """Return one reading for some groups, with each thing in it once."""
        wanted = tuple(groups)
        if self._merged is None or self._merged[0] != wanted:
            best: dict[_Key, _Candidate] = {}
            for group in wanted:
                for key, each in self._found.get(group, {}).items():
                    if key not in best or each.rank < best[key].rank:
                        best[key] = each
            merged = self._fresh()
            for each in best.values():
                merged.include(each.reading)
            self._merged = (wanted, merged)
        return self._merged[1]


def _things(labels: Sequence[Labels]) -> Iterator[tuple[tuple[tuple[str, str], ...], list[int]]]:
    """Yield the rows of each histogram or summary, or each row, with the labels that they have in common."""
    found: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for row, each in enumerate(labels):
        common = tuple(sorted(item for item in each.items() if item[0] not in _PARTS))
        found.setdefault(common, []).append(row)
    yield from found.items()


def _filled(series: Metric, others: Sequence[Metric]) -> Metric:
    """Return series with what they lack taken from others that are the same thing."""
    rows = {_part(labels): row for row, labels in enumerate(series.labels)}
    values = series.values.copy()
    for other in others:
        for labels, found in zip(other.labels, other.values, strict=True):
            row = rows.get(_part(labels))
            if row is not None:
                values[row] = np.where(np.isnan(values[row]), found, values[row])
    return Metric(series.labels, values)


def _part(labels: Labels) -> tuple[str | None, ...]:
    return (labels.get("le"), labels.get("quantile"))
