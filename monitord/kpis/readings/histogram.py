"""Histograms, in their classic and in their native form: quantiles over all that was observed. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Self

import numpy as np

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Bounds, Estimate
from monitord.kpis.groups import Group
from monitord.kpis.quantile import Quantile, bucket_quantile
from monitord.kpis.readings.buckets import BucketSums, Histogram
from monitord.kpis.readings.counter import reason_of
from monitord.kpis.readings.increase import Floats
from monitord.kpis.readings.native import native_tables
from monitord.kpis.readings.observations import ObservationReading
from monitord.kpis.readings.quantile_bounds import quantile_between
from monitord.kpis.readings.sums import Sums, windows_of
from monitord.kpis.readings.target_samples import Metric, TargetSamples
from monitord.kpis.span import Span
from monitord.prometheus.api.sample_block import HistogramSeries


class HistogramReading(ObservationReading):
    """Histograms. A quantile is one over all that was observed, never a mean of several.

    A target is read in its classic form where it has one, else in its native form.
    """

    def __init__(self, span: Span, thresholds: Mapping[str, float] | None = None) -> None:
        """Prepare to read; `thresholds` are those of the stats that are shares, as they are measured."""
        super().__init__(span)
        self._thresholds = thresholds or {}
        self._buckets = BucketSums(windows_of(span))

    def take(self, role: str, target: TargetSamples, metric: Metric) -> None:
        if role == "buckets":
            self._buckets.take(target, metric)
        elif role == "bare":  # there is no other count than that of the last bucket
            self._buckets.take(target, metric)
            everything = [row for row, labels in enumerate(metric.labels) if labels.get("le") == "+Inf"]
            self._count.take(target, metric.rows(everything))
        else:
            super().take(role, target, metric)

    def take_native(self, target: TargetSamples, series: Sequence[HistogramSeries]) -> None:
        """Add one target's native histograms of a metric."""
        for gpu, table in native_tables(target, series):
            group = target.scrapes.group(gpu)
            self._count.take(target, table.counts)
            self._sum.take(target, table.sums)
            self._buckets.add(
                group, table.layout, target.scrapes.successes, table.cumulative[:, :, target.scrapes.up]
            )

    def include(self, other: Self) -> None:
        super().include(other)
        self._buckets.include(other._buckets)

    def _percentile(self, q: float, groups: Collection[Group], count: Sums) -> Estimate:
        merged = self._buckets.of(groups)
        counted = [group for group in groups if group in self._count.groups]
        if merged is None:
            return Estimate(None, reason=why.BUCKETS_MISSING)
        found = _quantile(q, merged)
        if found is None:
            return Estimate(None, reason=why.MIXED_BUCKETS if merged.mixed else why.BUCKETS_MISSING)
        complete = all(group in self._buckets.groups for group in counted)
        bounds = None
        if complete:
            within, above = (
                (least[:, 0].tolist(), most[:, 0].tolist())
                for least, most in ((merged.low, merged.high), merged.above)
            )
            low, high = quantile_between(q, merged.layout, within, above)
            bounds = Bounds(max(low, 0.0) if merged.layout[0] > 0 else low, high)
        found, bounds, capped = self._capped(q, groups, merged, found, bounds)
        n = round(float(count.estimate[0]))
        reason = reason_of(count)
        if not complete:
            reason = why.BUCKETS_MISSING
        elif not self._buckets.respelt.isdisjoint(groups):
            reason = why.BUCKETS_RESPELT
        elif merged.mixed:
            reason = why.MIXED_BUCKETS
        elif math.isinf(found.high):
            reason = why.ABOVE_HIGHEST_BUCKET
        elif not reason and n * (1 - q) < 1:
            reason = why.FEW_OBSERVATIONS
        elif not reason and capped:
            reason = why.FIRST_BUCKET
        value = found.value if bounds is None else min(max(found.value, bounds.low), bounds.high)
        return Estimate(value, n, Bounds(found.low, found.high), reason, bounds)

    def _share(self, stat: str, groups: Collection[Group], count: Sums) -> Estimate | None:
        threshold = self._thresholds.get(stat)
        if threshold is None:
            return None
        merged = self._buckets.of(groups)
        counted = [group for group in groups if group in self._count.groups]
        if merged is None or not all(group in self._buckets.groups for group in counted):
            return Estimate(None, reason=why.BUCKETS_MISSING)
        value, bounds = share_up_to(threshold, merged)
        return Estimate(value, round(float(count.estimate[0])), None, reason_of(count), bounds)

    def _capped(
        self, q: float, groups: Collection[Group], merged: Histogram, found: Quantile, bounds: Bounds | None
    ) -> tuple[Quantile, Bounds | None, bool]:
        """Limit a quantile in the first bucket by the mean, for the bucket alone says next to nothing.

        Observations are not negative where the first bound is above 0 and the sum grows. At least the share
        1 - q of them is as large as the quantile, so that it is at most the mean / (1 - q) (Markov).
        """
        first = merged.layout[0]
        if not (found.low == 0 and found.high == first > 0):
            return found, bounds, False
        observed, counted = self._sum.of(groups), self._count.of(groups)
        if bounds is None or observed is None or counted is None:
            return found, bounds, True
        mean = Bounds(float(observed.low[0]), float(observed.high[0])).per(
            Bounds(float(counted.low[0]), float(counted.high[0]))
        )
        most = math.inf if mean is None else mean.high / (1 - q)
        return found, Bounds(bounds.low, max(min(bounds.high, most), bounds.low)), True

    def _percentiles(self, q: float, groups: Collection[Group]) -> Floats:
        merged = self._buckets.of(groups)
        if merged is None:
            return np.array(np.nan)
        known = ~np.isnan(merged.estimate[:, 0])
        layout = np.array(merged.layout)[known]
        counts = np.maximum.accumulate(merged.estimate[known][:, self._steps], axis=0)
        if len(layout) < 2 or not math.isinf(layout[-1]):
            return np.array(np.nan)
        return quantiles(q, layout, counts)


def share_up_to(threshold: float, histogram: Histogram) -> tuple[float | None, Bounds]:
    """Return the share of observations at or below a threshold, interpolated in its bucket, and its bounds.

    At least those at or below the last bucket bound up to it are, and at most those up to the next one.
    """
    layout = np.array(histogram.layout)
    floor = int(np.searchsorted(layout, threshold, side="right")) - 1
    ceiling = int(np.searchsorted(layout, threshold, side="left"))
    above_low, above_high = histogram.above
    low, high = 0.0, 1.0
    if floor >= 0 and histogram.low[floor, 0] > 0:
        low = float(histogram.low[floor, 0] / (histogram.low[floor, 0] + above_high[floor, 0]))
    if ceiling < len(layout) and math.isfinite(histogram.high[ceiling, 0]):
        most = float(histogram.high[ceiling, 0])
        high = most / (most + float(above_low[ceiling, 0])) if most else 0.0
    counts, total = histogram.estimate[:, 0], float(histogram.estimate[-1, 0])
    if not total or math.isnan(total):
        return None, Bounds(low, high)
    known = ~np.isnan(counts)
    finite = known & np.isfinite(layout)
    begin = 0.0 if layout[0] > 0 else float(layout[0])
    at = np.interp(threshold, np.append(begin, layout[finite]), np.append(0.0, counts[finite]))
    return min(max(float(at) / total, low), high), Bounds(low, high)


def quantiles(q: float, layout: Floats, counts: Floats) -> Floats:
    """Return the q-quantile of each column of cumulative counts, by the rules of `bucket_quantile`.

    Not a number where nothing was observed.
    """
    rank = q * counts[-1]
    index = np.minimum((counts >= rank).argmax(axis=0), len(layout) - 1)
    columns = np.arange(counts.shape[1])
    edges = np.concatenate([[0.0 if layout[0] > 0 else -np.inf], layout])
    below = np.concatenate([np.zeros((1, counts.shape[1])), counts])
    low, high = edges[index], edges[index + 1]
    inside = below[index + 1, columns] - below[index, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (rank - below[index, columns]) / inside
        value = np.minimum(low + (high - low) * share, high)
    value = np.where(np.isinf(high), low, np.where(np.isinf(low), high, value))
    return np.where(counts[-1] > 0, value, np.nan)


def _quantile(q: float, merged: Histogram) -> Quantile | None:
    counts = zip(merged.layout, merged.estimate[:, 0].tolist(), strict=True)
    return bucket_quantile(q, {bound: count for bound, count in counts if not math.isnan(count)})
