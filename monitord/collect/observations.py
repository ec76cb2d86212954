"""Histograms and summaries: how much was observed, and quantiles where they can be known."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate, divide, reason_uncounted, total
from monitord.kpis.groups import (
    Group,
    Values,
    read_buckets,
    read_histograms,
    read_quantiles,
    read_values,
    respelt_groups,
)
from monitord.kpis.native import merge_native, native_quantile, spread
from monitord.kpis.quantile import bucket_quantile, merge_buckets
from monitord.kpis.span import Span
from monitord.prometheus.api.series import Answer, Bucket, NativeHistogram
from monitord.recipes.model import quantile_of

Answers = Mapping[str, Answer]


class ObservationReading(ABC):
    """What histograms and summaries have in common: how many observations, and their sum.

    Both are counters, and merge over any set of targets.
    """

    def __init__(self, answers: Answers, span: Span) -> None:
        self._seconds = span.seconds
        self.groups: Collection[Group] = read_values(answers["series"]).keys()
        self._count = read_values(answers["count"])
        self._uncounted = read_values(answers["uncounted"])
        self._sum: Values = read_values(answers["sum"]) if "sum" in answers else {}

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        if not groups:
            return Estimate(None, reason=why.METRIC_ABSENT)
        measured = [group for group in groups if group in self._count]
        count = total(self._count[group] for group in measured)
        if not measured or math.isnan(count):
            return Estimate(None, reason=why.NOT_A_NUMBER if measured else why.TOO_FEW_SAMPLES)
        reason = why.TOO_FEW_SAMPLES if len(measured) < len(groups) else ""
        uncounted = total(self._uncounted.get(group, 0.0) for group in measured)
        reason = reason or reason_uncounted(uncounted, count)
        q = quantile_of(stat)
        if count == 0 and (q or stat == "mean"):
            return Estimate(None, 0, reason=why.NO_OBSERVATIONS)
        return self._percentile(q, measured, reason) if q else self._counted(stat, measured, count, reason)

    def _counted(self, stat: str, groups: Collection[Group], count: float, reason: str) -> Estimate:
        n = round(count)
        if stat == "count":
            return Estimate(count, n, reason=reason)
        if stat == "rate":
            return Estimate(count / self._seconds, n, reason=reason)
        observed = total(self._sum.get(group, math.nan) for group in groups)
        return Estimate(observed, n, reason=reason) if stat == "total" else divide(observed, count, n, reason)

    @abstractmethod
    def _percentile(self, q: float, groups: Collection[Group], reason: str) -> Estimate:
        """Estimate a quantile over groups that have observations."""


class HistogramReading(ObservationReading):
    """Histograms. A quantile is one over all that was observed, never a mean of several.

    A group is read in its classic form where it has one, else in its native form.
    """

    def __init__(self, answers: Answers, span: Span) -> None:
        super().__init__(answers, span)
        self._buckets = read_buckets(answers["buckets"]) if "buckets" in answers else {}
        self._respelt = respelt_groups(answers["buckets"]) if "buckets" in answers else frozenset()
        self._native: Mapping[Group, NativeHistogram] = {}
        self._last_merged: tuple[tuple[Group, ...], tuple[Mapping[float, float], bool]] | None = None
        if "native" in answers:
            self._take_native(answers)

    def _take_native(self, answers: Answers) -> None:
        classic = self.groups
        increase, last, increase_of_born = (
            {group: each for group, each in read_histograms(answers[role]).items() if group not in classic}
            for role in ("native", "native_born", "native_born_increase")
        )
        self._native = increase
        self.groups = {*classic, *read_values(answers["native_series"])}
        self._count = {**self._count, **{group: each.count for group, each in increase.items()}}
        self._sum = {**self._sum, **{group: each.sum for group, each in increase.items()}}
        # Prometheus 2.42 knows no last native histogram of a range: there a birth is not told.
        held = {
            group: max(0.0, each.count - increase_of_born[group].count)
            for group, each in last.items()
            if group in increase_of_born
        }
        self._uncounted = {**self._uncounted, **held}

    def _percentile(self, q: float, groups: Collection[Group], reason: str) -> Estimate:
        if not self._respelt.isdisjoint(groups):
            reason = why.BUCKETS_RESPELT
        histograms = [self._buckets[group] for group in groups if group in self._buckets]
        native = [self._native[group].buckets for group in groups if group in self._native]
        if len(histograms) + len(native) < len(groups):
            reason = why.BUCKETS_MISSING
        if native:
            return self._native_percentile(q, [*native, *map(spread, histograms)], reason)
        merged, mixed = self._merged(groups, histograms)
        found = bucket_quantile(q, merged)
        if found is None:
            return Estimate(None, reason=why.MIXED_BUCKETS if mixed else why.BUCKETS_MISSING)
        if mixed:
            reason = why.MIXED_BUCKETS
        if math.isinf(found.high):
            reason = why.ABOVE_HIGHEST_BUCKET
        return Estimate(found.value, round(merged[math.inf]), found.low, found.high, reason)

    def _merged(
        self, groups: Collection[Group], histograms: Sequence[Mapping[float, float]]
    ) -> tuple[Mapping[float, float], bool]:
        """Merge once for all quantiles of the same groups, which are asked for in turn."""
        key = tuple(groups)
        if self._last_merged is None or self._last_merged[0] != key:
            self._last_merged = (key, merge_buckets(histograms))
        return self._last_merged[1]

    def _native_percentile(self, q: float, histograms: Sequence[Sequence[Bucket]], reason: str) -> Estimate:
        merged, mixed = merge_native(histograms)
        found = native_quantile(q, merged)
        if found is None:
            return Estimate(None, reason=why.BUCKETS_MISSING)
        if mixed:
            reason = why.MIXED_BUCKETS
        if math.isinf(found.high):
            reason = why.ABOVE_HIGHEST_BUCKET
        n = round(total(bucket.observations for bucket in merged))
        return Estimate(found.value, n, found.low, found.high, reason)


class SummaryReading(ObservationReading):
    """Summaries. Their quantiles were computed by the exporter, and no two of them can be merged.

    So there is a percentile where one series is all there is, and even that is of the time over which
    the exporter keeps observations, which is not the window: it is never more than `partial`.
    """

    def __init__(self, answers: Answers, span: Span) -> None:
        super().__init__(answers, span)
        self._quantiles = read_quantiles(answers["quantiles"]) if "quantiles" in answers else {}

    def _percentile(self, q: float, groups: Collection[Group], reason: str) -> Estimate:  # noqa: ARG002
        exported = [self._quantiles.get(group, {}) for group in groups]
        values = [value for each in exported for value in each.get(q, ())]
        if len(groups) > 1 or len(values) > 1:
            return Estimate(None, reason=why.SUMMARY_NOT_MERGEABLE)
        if not values:
            return Estimate(None, reason=why.QUANTILE_ABSENT)
        return Estimate(values[0], reason=why.SUMMARY_OWN_WINDOW)
