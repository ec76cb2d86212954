"""What histograms and summaries have in common: how many observations there were, and their sum. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Self

import numpy as np

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Bounds, Estimate
from monitord.kpis.groups import Group
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.readings.counter import reason_of
from monitord.kpis.readings.increase import Floats
from monitord.kpis.readings.sums import CounterSums, Sums
from monitord.kpis.readings.target_samples import Metric, TargetSamples
from monitord.kpis.span import Span


class ObservationReading(ABC):
    """Observations counted and added up. Both are counters, and merge over any set of targets."""

    def __init__(self, span: Span) -> None:
        self._count = CounterSums(span)
        self._sum = CounterSums(span)
        self._seconds = span.seconds
        self._steps = slice(1 + span.tiles, None)

    @property
    def groups(self) -> Collection[Group]:
        return self._count.groups

    def take(self, role: str, target: TargetSamples, metric: Metric) -> None:
        """Add one target's series of a role: `count`, `sum`, or one of the kind's own."""
        if role == "count":
            self._count.take(target, metric)
        elif role == "sum":
            self._sum.take(target, metric)

    def include(self, other: Self) -> None:
        """Add what another reading measured."""
        self._count.include(other._count)
        self._sum.include(other._sum)

    def resets(self, group: Group) -> int | None:
        return self._count.resets(group)

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        count = self._count.of(groups)
        if count is None:
            return Estimate(None, reason=why.METRIC_ABSENT)
        observations, bounds = float(count.estimate[0]), _bounds(count)
        n = round(observations)
        if stat in {"count", "rate"}:
            factor = 1.0 if stat == "count" else 1 / self._seconds
            found = Estimate(observations, n, None, reason_of(count), bounds, count.presence)
            return found.scaled(factor)
        if observations == 0 and stat != "total":
            return Estimate(None, 0, reason=why.NO_OBSERVATIONS)
        q = quantile_of(stat)
        if q is not None:
            return self._percentile(q, groups, count)._replace(presence=count.presence)
        share = self._share(stat, groups, count)
        if share is not None:
            return share._replace(presence=count.presence)
        return self._of_sum(stat, groups, count)

    def _of_sum(self, stat: str, groups: Collection[Group], count: Sums) -> Estimate:
        observations, n = float(count.estimate[0]), round(float(count.estimate[0]))
        observed = self._sum.of(groups)
        if observed is None:
            return Estimate(None, n, reason=why.METRIC_ABSENT)
        if stat == "total":
            return Estimate(
                float(observed.estimate[0]), n, None, reason_of(count), _bounds(observed), count.presence
            )
        mean, bounds = float(observed.estimate[0]) / observations, _bounds(observed).per(_bounds(count))
        return Estimate(mean, n, None, reason_of(count), bounds, count.presence)

    def over_time(self, stat: str, scope: str, groups: Collection[Group]) -> Sequence[float]:  # noqa: ARG002
        """Return the value over each step, not a number where there is none."""
        count = self._count.of(groups)
        if count is None:
            return []
        observations = np.where(count.seen & (count.estimate > 0), count.estimate, np.nan)[self._steps]
        q = quantile_of(stat)
        if q is not None:
            found = np.where(np.isnan(observations), np.nan, self._percentiles(q, groups))
        else:
            observed = self._sum.of(groups)
            found = observed.estimate[self._steps] / observations if observed else observations * np.nan
        values: list[float] = found.tolist()
        return values

    def _share(self, stat: str, groups: Collection[Group], count: Sums) -> Estimate | None:  # noqa: ARG002
        """Estimate the share of observations up to a threshold; None for another stat."""
        return None

    @abstractmethod
    def _percentile(self, q: float, groups: Collection[Group], count: Sums) -> Estimate:
        """Estimate a quantile of the window over groups that have observations."""

    @abstractmethod
    def _percentiles(self, q: float, groups: Collection[Group]) -> Floats:
        """Estimate a quantile for each step."""


def _bounds(sums: Sums) -> Bounds:
    return Bounds(float(sums.low[0]), float(sums.high[0]))
