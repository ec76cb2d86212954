"""Counters: rates over the window, and extremes over its tiles; or the ratio of two counters. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Bounds, Estimate
from monitord.kpis.groups import Group
from monitord.kpis.readings.increase import Flags, Floats
from monitord.kpis.readings.sums import CounterSums, Sums, windows_of
from monitord.kpis.readings.target_samples import Metric, TargetSamples
from monitord.kpis.span import Span


class CounterReading:
    """A counter's increase per second, or with a divisor per increase of that.

    A group that only the divisor has counts in the ratio's whole, as in PromQL's `sum(a) / sum(b)`. With
    `is_share` the divisor counts all that the counter does.
    """

    def __init__(self, span: Span, has_divisor: bool, is_share: bool = False) -> None:
        self._is_share = is_share
        self._counters = CounterSums(span)
        self._divisor = CounterSums(span) if has_divisor else None
        windows = windows_of(span)
        self._seconds: Floats = windows.ends - windows.starts
        self._tiles = slice(1, 1 + span.tiles)
        self._steps = slice(1 + span.tiles, None)

    @property
    def groups(self) -> Collection[Group]:
        divisor = self._divisor.groups if self._divisor else ()
        return dict.fromkeys((*self._counters.groups, *divisor)).keys()

    def take(self, role: str, target: TargetSamples, metric: Metric) -> None:
        """Add one target's series of the counter or the divisor."""
        sums = self._divisor if role == "divisor" else self._counters
        if sums is not None:
            sums.take(target, metric)

    def include(self, other: CounterReading) -> None:
        """Add what another reading measured."""
        self._counters.include(other._counters)
        if self._divisor is not None and other._divisor is not None:
            self._divisor.include(other._divisor)

    def resets(self, group: Group) -> int | None:
        return self._counters.resets(group)

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        counted = self._counters.of(groups)
        if counted is None:
            return Estimate(None, reason=why.METRIC_ABSENT)
        if stat == "total":
            return _estimate(float(counted.estimate[0]), _bounds(counted, 0), counted)
        if stat in {"mean", "rate"}:
            return self._over(counted, groups)
        return self._extreme(stat, counted, groups)

    def over_time(self, stat: str, scope: str, groups: Collection[Group]) -> Sequence[float]:  # noqa: ARG002
        """Return the value over each step, not a number where there is none."""
        counted = self._counters.of(groups)
        if counted is None:
            return []
        estimate = np.where(counted.seen, counted.estimate, np.nan)[self._steps]
        values: list[float] = (estimate / self._whole(groups)[self._steps]).tolist()
        return values

    def _whole(self, groups: Collection[Group]) -> Floats:
        """Return what an increase is divided by: the divisor's increase, else the seconds."""
        if self._divisor is None:
            return self._seconds
        divisor = self._divisor.of(groups)
        if divisor is None:
            return np.full(len(self._seconds), np.nan)
        return np.where(divisor.estimate > 0, divisor.estimate, np.nan).astype(np.float64)

    def _over(self, counted: Sums, groups: Collection[Group]) -> Estimate:
        if self._divisor is None:
            total = _estimate(float(counted.estimate[0]), _bounds(counted, 0), counted)
            return total.scaled(1 / float(self._seconds[0]))
        divisor = self._divisor.of(groups)
        if divisor is None or divisor.estimate[0] == 0:
            return Estimate(None, counted.series, reason=why.DIVISOR_ZERO)
        ratio = float(counted.estimate[0] / divisor.estimate[0])
        low, high = self._ratio_bounds(counted, divisor)
        found = _estimate(ratio, Bounds(float(low[0]), float(high[0])), counted)
        return found._replace(
            reason=found.reason or reason_of(divisor), presence=min(found.presence, divisor.presence)
        )

    def _ratio_bounds(self, counted: Sums, divisor: Sums) -> tuple[Floats, Floats]:
        """Return the bounds of the ratio over each window.

        A share is least when the counter counted least and all else most: what both counted at an edge rests
        on the same two samples. Where nothing limits what was not seen, that may all be the counter's.
        """
        least, most = divisor.high, divisor.low
        if self._is_share:
            known = np.isfinite(divisor.high)
            rest = np.where(known, divisor.high, 0.0) - np.where(known, counted.high, 0.0)
            least = np.where(known, counted.low + np.maximum(rest, 0.0), np.inf)
            most = counted.high + np.maximum(divisor.low - counted.low, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = counted.low / least, counted.high / most
        if self._is_share:
            high = np.where(np.isfinite(divisor.high) & ~np.isnan(high), high, 1.0)
        high = np.where(np.isnan(high), np.inf, high)
        return np.where(np.isnan(low), 0.0, low), high

    def _extreme(self, stat: str, counted: Sums, groups: Collection[Group]) -> Estimate:
        """Compare the tiles: the least that any of them can have been is the least of their lower bounds."""
        tiles = self._tiles
        if self._divisor is None:
            seconds = self._seconds[tiles]
            values, low, high = (
                each[tiles] / seconds for each in (counted.estimate, counted.low, counted.high)
            )
            bounds, reason = extreme_bounds(stat, low, high, np.ones(len(low), np.bool_)), reason_of(counted)
        else:
            divisor = self._divisor.of(groups)
            if divisor is None:
                return Estimate(None, counted.series, reason=why.DIVISOR_ZERO)
            values = (counted.estimate / self._whole(groups))[tiles]
            low, high = (each[tiles] for each in self._ratio_bounds(counted, divisor))
            # A tile in which the divisor may have counted nothing may have no ratio.
            certain, possible = divisor.low[tiles] > 0, divisor.high[tiles] > 0
            bounds = extreme_bounds(stat, low[possible], high[possible], certain[possible])
            reason = reason_of(counted) or reason_of(divisor)
        compared = int((~np.isnan(values)).sum())
        if not compared:
            return Estimate(None, counted.series, reason=why.DIVISOR_ZERO)
        value = float(np.nanmin(values) if stat == "min" else np.nanmax(values))
        return Estimate(value, compared, None, reason, bounds, counted.presence)


def extreme_bounds(stat: str, low: Floats, high: Floats, certain: Flags) -> Bounds | None:
    """Return the bounds of the least or the greatest of some values, of which only some certainly exist.

    The least is at most the least upper bound of those that do. Where none certainly does, it is one of them.
    """
    if not len(low):
        return None
    if not certain.any():
        return Bounds(float(low.min()), float(high.max()))
    if stat == "min":
        return Bounds(float(low.min()), float(high[certain].min()))
    return Bounds(float(low[certain].max()), float(high.max()))


def _estimate(value: float, bounds: Bounds | None, counted: Sums) -> Estimate:
    return Estimate(value, counted.series, None, reason_of(counted), bounds, counted.presence)


def _bounds(sums: Sums, window: int) -> Bounds:
    return Bounds(float(sums.low[window]), float(sums.high[window]))


def reason_of(counted: Sums) -> str:
    """Return why an increase is not what was counted from one edge to the other: the worst reason first."""
    if counted.resets:
        return why.COUNTER_RESET
    if counted.ended:
        return why.SERIES_ENDED
    if counted.unseen > why.UNSEEN_TOLERANCE * (float(counted.estimate[0]) + counted.unseen):
        return why.SERIES_BORN
    return ""
