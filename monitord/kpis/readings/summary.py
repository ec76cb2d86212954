"""Summaries: counts and sums as of histograms, but quantiles only as the exporter computed them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

import numpy as np

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group
from monitord.kpis.readings.increase import Floats
from monitord.kpis.readings.observations import ObservationReading
from monitord.kpis.readings.sums import Sums, windows_of
from monitord.kpis.readings.target_samples import Metric, TargetSamples
from monitord.kpis.span import Span


class SummaryReading(ObservationReading):
    """Summaries. Their quantiles were computed by the exporter, and no two of them can be merged.

    So there is a percentile where one series is all there is, and even that is of the time over which
    the exporter keeps observations, which is not the window: it is never more than `partial`.
    """

    def __init__(self, span: Span) -> None:
        super().__init__(span)
        windows = windows_of(span)
        self._starts, self._ends = windows.starts, windows.ends
        self._quantiles: dict[Group, dict[float, list[Floats]]] = {}

    def take(self, role: str, target: TargetSamples, metric: Metric) -> None:
        if role != "quantiles":
            super().take(role, target, metric)
            return
        times = target.scrapes.successes.starts
        for gpu, series in metric.by_gpu():
            quantiles = self._quantiles.setdefault(target.scrapes.group(gpu), {})
            for labels, row in zip(series.labels, series.values, strict=True):
                quantiles.setdefault(float(labels["quantile"]), []).append(self._last(times, row))

    def include(self, other: Self) -> None:
        super().include(other)
        for group, quantiles in other._quantiles.items():
            of_group = self._quantiles.setdefault(group, {})
            for q, found in quantiles.items():
                of_group.setdefault(q, []).extend(found)

    def _last(self, times: Floats, row: Floats) -> Floats:
        """Return the last number in each window, not a number where there is none."""
        there = ~np.isnan(row)
        times, row = times[there], row[there]
        if not len(row):
            return np.full(len(self._ends), np.nan)
        last = np.searchsorted(times, self._ends, side="right") - 1
        return np.where((last >= 0) & (times[last] >= self._starts), row[last], np.nan)

    def _percentile(self, q: float, groups: Collection[Group], count: Sums) -> Estimate:  # noqa: ARG002
        counted = [group for group in groups if group in self._count.groups]
        values = [row for group in counted for row in self._quantiles.get(group, {}).get(q, ())]
        if len(counted) > 1 or len(values) > 1:
            return Estimate(None, reason=why.SUMMARY_NOT_MERGEABLE)
        if not values or np.isnan(values[0][0]):
            return Estimate(None, reason=why.QUANTILE_ABSENT)
        return Estimate(float(values[0][0]), reason=why.SUMMARY_OWN_WINDOW)

    def _percentiles(self, q: float, groups: Collection[Group]) -> Floats:
        values = [row for group in groups for row in self._quantiles.get(group, {}).get(q, ())]
        return values[0][self._steps] if len(values) == 1 else np.array(np.nan)
