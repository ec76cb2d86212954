"""Histograms, in their classic and in their native form: quantiles over all that was observed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate, total
from monitord.kpis.groups import Group, read_buckets, read_histograms, read_values, respelt_groups
from monitord.kpis.kind import Answers, KpiFields, selector
from monitord.kpis.native import merge_native, native_quantile, spread
from monitord.kpis.observations import ObservationKind, ObservationReading
from monitord.kpis.promql import grouped
from monitord.kpis.quantile import bucket_quantile, merge_buckets
from monitord.kpis.span import Query, Span
from monitord.prometheus.api.series import Bucket, NativeHistogram

NATIVE_SIZE = 5  # a native histogram is as large as the buckets of so many classic ones


class Histogram(ObservationKind):
    """Observations in buckets, by a target or, where the server has them, native histograms."""

    name = "histogram"

    def required_metrics(self, kpi: KpiFields, native: bool) -> tuple[tuple[str, ...], ...]:
        classic = super().required_metrics(kpi, native)
        return (*classic, (kpi.metric or "",)) if native else classic

    def counter_suffixes(self, native: bool) -> tuple[str, ...]:
        return ("_count", "") if native else ("_count",)

    def answer_size(self, native: bool) -> int:
        return NATIVE_SIZE if native else 1

    def queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        queries = super().queries(kpi, services, span)
        return queries | _native_queries(selector(kpi, services, span), span) if span.native else queries

    def percentile_queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        increase = f"increase({selector(kpi, services, span, '_bucket')}{span.whole})"
        return {"buckets": span.at_end(grouped("sum", increase, "le"))}

    def read(self, answers: Answers, span: Span) -> HistogramReading:
        return HistogramReading(answers, span)


def _native_queries(histogram: str, span: Span) -> dict[str, Query]:
    """Return the queries for native histograms: each sample is count, sum and buckets together.

    No function returns the first value of those that were born in the window. It is what they held
    last, less their increase.
    """
    but_old = f"unless last_over_time({histogram}{span.around_start})"
    whole = f"{histogram}{span.whole}"
    return {
        "native_series": span.at_end(grouped("count", f"count_over_time({whole})")),
        "native": span.at_end(grouped("sum", f"increase({whole})")),
        "native_born": span.at_end(grouped("sum", f"last_over_time({whole}) {but_old}")),
        "native_born_increase": span.at_end(grouped("sum", f"increase({whole}) {but_old}")),
    }


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
        # Prometheus 2.42 has no last_over_time of native histograms: there a birth is not detected.
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
