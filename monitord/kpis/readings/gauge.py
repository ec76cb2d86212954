"""Gauges: each series by its own samples, then over the series. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.readings.increase import Floats
from monitord.kpis.readings.sums import windows_of
from monitord.kpis.readings.target_samples import Metric, TargetSamples
from monitord.kpis.span import Span


@dataclass(frozen=True, slots=True)
class _Found:
    """The gauges of a group at one target.

    `means` is the sum over series of their means, and `series` how many have any, for each window;
    `samples` are all of the window's, in any order."""

    means: Floats
    series: Floats
    samples: Floats
    presence: float


class GaugeReading:
    """Samples of gauges.

    `mean` is that of the series' means, and `sum` adds these up, so that a series with fewer samples counts
    as much as another. Minimum, maximum, standard deviation and percentiles are of all samples taken
    together."""

    def __init__(self, span: Span) -> None:
        windows = windows_of(span)
        self._starts, self._ends = windows.starts, windows.ends
        self._steps = slice(1 + span.tiles, None)
        self._found: dict[Group, list[_Found]] = {}

    @property
    def groups(self) -> Collection[Group]:
        return self._found.keys()

    def take(self, role: str, target: TargetSamples, metric: Metric) -> None:  # noqa: ARG002
        """Add one target's series."""
        for gpu, series in metric.by_gpu():
            found = self._measure(target.scrapes.successes.starts, series.values)
            if found is not None:
                self._found.setdefault(target.scrapes.group(gpu), []).append(found)

    def include(self, other: GaugeReading) -> None:
        """Add what another reading measured."""
        for group, found in other._found.items():
            self._found.setdefault(group, []).extend(found)

    def resets(self, group: Group) -> int | None:  # noqa: ARG002
        """Return None: a gauge may go down."""
        return None

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        parts = self._parts(groups)
        if not parts:
            return Estimate(None, reason=why.METRIC_ABSENT)
        samples = np.concatenate([part.samples for part in parts])
        share = min(part.presence for part in parts)
        if not len(samples):
            return Estimate(None, 0, reason=why.NOT_A_NUMBER)
        return Estimate(self._value(stat, parts, samples), len(samples), presence=share)

    def over_time(self, stat: str, scope: str, groups: Collection[Group]) -> Sequence[float]:  # noqa: ARG002
        """Return the mean, or the sum, over each step; not a number where there is none."""
        parts = self._parts(groups)
        if not parts:
            return []
        means = np.sum([part.means for part in parts], axis=0)[self._steps]
        series = np.sum([part.series for part in parts], axis=0)[self._steps]
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(series > 0, means, np.nan) if stat == "sum" else means / series
        values: list[float] = found.tolist()
        return values

    def _parts(self, groups: Collection[Group]) -> list[_Found]:
        return [part for group in groups for part in self._found.get(group, ())]

    def _value(self, stat: str, parts: Sequence[_Found], samples: Floats) -> float:
        if stat in {"mean", "sum"}:
            means = float(sum(part.means[0] for part in parts))
            return means if stat == "sum" else means / float(sum(part.series[0] for part in parts))
        if stat == "min":
            return float(samples.min())
        if stat == "max":
            return float(samples.max())
        q = quantile_of(stat)
        if q is None:
            return float(samples.std())
        with np.errstate(invalid="ignore"):  # between two infinities
            return float(np.quantile(samples, q))

    def _measure(self, times: Floats, values: Floats) -> _Found | None:
        first = np.searchsorted(times, self._starts, side="left")
        last = np.searchsorted(times, self._ends, side="left")
        last[self._ends == self._ends[0]] = np.searchsorted(times, self._ends[0], side="right")
        there = ~np.isnan(values)
        inside, seen = values[:, first[0] : last[0]], there[:, first[0] : last[0]]
        if not inside.size or (not seen.any() and there.any()):
            return None
        zeros = np.zeros((len(values), 1))
        with np.errstate(invalid="ignore"):
            sums = np.hstack([zeros, np.cumsum(np.where(there, values, 0.0), axis=1)])
            counts = np.hstack([zeros, np.cumsum(there, axis=1)])
            sums, counts = sums[:, last] - sums[:, first], counts[:, last] - counts[:, first]
            means = np.where(counts > 0, sums / np.where(counts > 0, counts, 1.0), 0.0)
        share = float(seen.mean(axis=1).min())
        return _Found(means.sum(axis=0), (counts > 0).sum(axis=0).astype(float), inside[seen], share)
