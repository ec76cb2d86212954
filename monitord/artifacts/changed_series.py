"""What changed most between two sides, over every series of their runs. Pure.

The range of a side holds every run of it: for counters from the least lower to the greatest upper bound of
its rate, for gauges from the least to the greatest mean, or with one run alone one standard deviation of the
samples to either side. The sides are apart when their ranges do not touch. The effect is the distance between
them, as a share of the greater of their nearest ends: 0.5 is a factor of two, 1 is from or to zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from monitord.artifacts.decision import Sample, separation
from monitord.artifacts.ranks import ALPHA, benjamini_hochberg
from monitord.artifacts.series_of_run import (
    Ignored,
    SeriesKey,
    SeriesValue,
    ignored_labels,
    metrics_of,
    series_of,
)
from monitord.collect.series_summary import SeriesRows

FEWEST_REPEATS = 2
"""On each side, for p to be more than a coin."""


@dataclass(frozen=True, slots=True)
class SeriesSide:
    """A series on one side: its number in each run that has it, and the range that holds all of them."""

    values: tuple[float, ...]
    low: float
    high: float
    missing: int

    @property
    def median(self) -> float:
        return median(self.values)


@dataclass(frozen=True, slots=True)
class ChangedSeries:
    """A series on both sides; `q` is its p, corrected by the false-discovery rate over all that were tested.

    `effect` is negative for a fall, and 0 where the ranges touch.
    """

    key: SeriesKey
    before: SeriesSide
    after: SeriesSide
    effect: float
    p: float | None = None
    q: float | None = None

    @property
    def is_apart(self) -> bool:
        return self.effect != 0

    @property
    def is_significant(self) -> bool:
        return self.q is not None and self.q <= ALPHA

    @property
    def ratio(self) -> float | None:
        """The median after by that before; None where that says nothing."""
        return _ratio(self.before.median, self.after.median)

    @property
    def ratio_bounds(self) -> tuple[float, float] | None:
        """How small and how large the ratio may be, for numbers that are never negative."""
        before, after = self.before, self.after
        if before.low < 0 or after.low < 0 or before.high <= 0:
            return None
        return after.low / before.high, after.high / before.low if before.low else math.inf

    @property
    def weight(self) -> tuple[bool, float, float]:
        """What sorts by size: significance first, then the effect, then the change of the medians."""
        return self.is_significant, abs(self.effect), abs(_share(self.before.median, self.after.median))


@dataclass(frozen=True, slots=True)
class MetricChange:
    """The largest change of a metric, and how many other series of it changed as well."""

    largest: ChangedSeries
    others: int


@dataclass(frozen=True, slots=True)
class SeriesComparison:
    """Every series of two sides: those of both, and the metrics of one alone.

    `tested` counts the series that have a p, and `runs` those on each side.
    """

    rows: tuple[ChangedSeries, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    ignored: Ignored
    runs: tuple[int, int]

    @property
    def tested(self) -> int:
        return sum(row.p is not None for row in self.rows)

    @property
    def changed(self) -> list[ChangedSeries]:
        """The series whose sides are apart or differ significantly, the largest change first."""
        found = [row for row in self.rows if row.is_apart or row.is_significant]
        return sorted(found, key=lambda row: row.weight, reverse=True)

    def by_metric(self) -> list[MetricChange]:
        """Return what changed of each metric, the largest first.

        The parts of a histogram are one metric, whose buckets stand for it only if nothing else changed.
        """
        groups: dict[tuple[str, str], list[ChangedSeries]] = {}
        for row in self.changed:
            groups.setdefault((row.key.job, row.key.family), []).append(row)
        found = []
        for rows in groups.values():
            largest = max(rows, key=lambda row: (not row.key.is_bucket, row.weight, row.key.is_mean))
            found.append(MetricChange(largest, len(rows) - 1))
        return sorted(found, key=lambda each: each.largest.weight, reverse=True)

    def varying_labels(self, of: Iterable[SeriesKey]) -> dict[tuple[str, str], set[str]]:
        """Return which labels vary within a metric of a job, for the metrics of some series."""
        values: dict[tuple[str, str], dict[str, set[str]]] = {(key.job, key.metric): {} for key in of}
        for row in self.rows:
            found = values.get((row.key.job, row.key.metric))
            if found is not None:
                for name, value in row.key.labels:
                    found.setdefault(name, set()).add(value)
        return {
            of_metric: {name for name, each in found.items() if len(each) > 1}
            for of_metric, found in values.items()
        }


def compare_series(before: Sequence[SeriesRows], after: Sequence[SeriesRows]) -> SeriesComparison:
    """Compare every series that runs of both sides have."""
    ignored = ignored_labels(before, after)
    sides = [[series_of(run, ignored) for run in side] for side in (before, after)]
    first, second = (dict.fromkeys(key for run in side for key in run) for side in sides)
    rows = [_compared(key, sides[0], sides[1]) for key in first if key in second]
    tested = [place for place, row in enumerate(rows) if row.p is not None]
    qs = benjamini_hochberg([row.p for row in rows if row.p is not None])
    for place, q in zip(tested, qs, strict=True):
        rows[place] = replace(rows[place], q=q)
    known = {name: {key.metric for key in side} for name, side in (("first", first), ("second", second))}
    return SeriesComparison(
        tuple(rows),
        tuple(name for name in metrics_of(first) if name not in known["second"]),
        tuple(name for name in metrics_of(second) if name not in known["first"]),
        ignored,
        (len(before), len(after)),
    )


def _compared(
    key: SeriesKey,
    before: Sequence[Mapping[SeriesKey, SeriesValue]],
    after: Sequence[Mapping[SeriesKey, SeriesValue]],
) -> ChangedSeries:
    found = [[run[key] for run in side if key in run] for side in (before, after)]
    first, second = (
        _side(key, values, len(side)) for values, side in zip(found, (before, after), strict=True)
    )
    p = None
    # A series that never varies cannot differ: leaving it out makes the correction no less valid.
    if min(map(len, found)) >= FEWEST_REPEATS and len({*first.values, *second.values}) > 1:
        p = separation(*(_sample(key, values) for values in found)).p
    return ChangedSeries(key, first, second, effect_of(first, second), p)


def _side(key: SeriesKey, values: Sequence[SeriesValue], runs: int) -> SeriesSide:
    numbers = tuple(each.value for each in values)
    ends: Iterable[float] = numbers
    if key.kind != "mean" or len(values) == 1:
        ends = [end for each in values for end in (each.low, each.high)]
    return SeriesSide(numbers, min(ends), max(ends), runs - len(values))


def _sample(key: SeriesKey, values: Sequence[SeriesValue]) -> Sample:
    bounds = [None if key.kind == "mean" else (each.low, each.high) for each in values]
    return Sample(tuple(each.value for each in values), 0, tuple(bounds))


def effect_of(before: SeriesSide, after: SeriesSide) -> float:
    """Return how far apart the ranges of two sides are, as a share of the greater of their nearest ends."""
    if after.low > before.high:
        return _share(before.high, after.low)
    if after.high < before.low:
        return _share(before.low, after.high)
    return 0.0


def _share(old: float, new: float) -> float:
    scale = max(abs(old), abs(new))
    return (new - old) / scale if scale else 0.0


def _ratio(old: float, new: float) -> float | None:
    return new / old if old and new and (old > 0) == (new > 0) else None
