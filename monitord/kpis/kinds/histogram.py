"""Histograms, in their classic and in their native form: quantiles over all that was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitord.kpis.kind import KpiFields, MetricReading, NativeReading, Source, once, selector
from monitord.kpis.kinds._observations import ObservationKind
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.span import Span
from monitord.kpis.thresholds import SHARE_UNIT, threshold_of

if TYPE_CHECKING:
    from monitord.kpis.readings.distinct import Mergeable


class Histogram(ObservationKind):
    """Observations in buckets, by a target or, where the server has them, native histograms."""

    name = "histogram"

    def check_buckets(self, kpi: KpiFields) -> None:
        """Accept buckets of another name: only histograms have them."""

    def required_metrics(self, kpi: KpiFields, native: bool) -> tuple[tuple[str, ...], ...]:
        if kpi.buckets:
            return ((kpi.buckets,),)
        classic = super().required_metrics(kpi, native)
        return (*classic, (kpi.metric or "",)) if native else classic

    def check_stat(self, kpi: KpiFields, stat: str) -> None:
        if kpi.buckets and stat in {"mean", "total"}:
            raise ValueError(f"stat {stat} needs the sum of observations, which `buckets` alone do not have")
        threshold = threshold_of(stat)
        if threshold is None:
            super().check_stat(kpi, stat)
        elif threshold.within(kpi.unit, kpi.scale) is None:
            raise ValueError(f"stat {stat!r}: {threshold.unit} cannot be converted to {kpi.unit}")

    def unit_of(self, kpi: KpiFields, stat: str) -> str:
        return SHARE_UNIT if threshold_of(stat) else super().unit_of(kpi, stat)

    def scale_of(self, kpi: KpiFields, stat: str) -> float:
        return 100.0 if threshold_of(stat) else super().scale_of(kpi, stat)

    def sources(self, kpi: KpiFields) -> tuple[Source, ...]:
        if kpi.buckets:
            return (Source("bare", kpi.buckets, kpi.match or ""),)
        buckets = Source("buckets", f"{kpi.metric}_bucket", kpi.match or "")
        needed = any(quantile_of(stat) or threshold_of(stat) for stat in kpi.stats)
        return (*super().sources(kpi), *([buckets] if needed else []))

    def native_source(self, kpi: KpiFields) -> Source | None:
        return None if kpi.buckets else Source("native", kpi.metric or "", kpi.match or "")

    def new_reading(self, kpi: KpiFields, span: Span) -> Mergeable:
        from monitord.kpis.readings.histogram import HistogramReading

        thresholds = {stat: threshold_of(stat) for stat in kpi.stats}
        measured = {
            stat: value
            for stat, threshold in thresholds.items()
            if threshold and (value := threshold.within(kpi.unit, kpi.scale)) is not None
        }
        return HistogramReading(span, measured)

    def native_reading(self, reading: MetricReading) -> NativeReading | None:
        from monitord.kpis.readings.distinct import DistinctReading
        from monitord.kpis.readings.histogram import HistogramReading

        return reading if isinstance(reading, HistogramReading | DistinctReading) else None

    def nearest_promql(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, str]:
        series = _buckets(kpi, services, span)
        buckets = f"sum by (le) ({once(kpi, f'increase({series}{span.whole})', 'le')})"
        percentiles = {
            stat: f"histogram_quantile({q:g}, {buckets})" for stat in kpi.stats if (q := quantile_of(stat))
        }
        of_bound = series.removesuffix("}")

        def counted_to(bound: str) -> str:
            increase = f'increase({of_bound},le="{bound}"}}{span.whole})'
            return f"sum({once(kpi, increase)})"

        shares = {
            stat: f"{counted_to(str(float(value)))} / {counted_to('+Inf')}"
            for stat in kpi.stats
            if (threshold := threshold_of(stat)) and (value := threshold.within(kpi.unit, kpi.scale))
        }
        counted = {} if kpi.buckets else super().nearest_promql(kpi, services, span)
        return counted | percentiles | shares


def _buckets(kpi: KpiFields, services: tuple[str, ...], span: Span) -> str:
    """Return the selector of the bucket series."""
    found = selector(kpi, services, span, "_bucket")
    return f"{kpi.buckets}{found[found.index('{') :]}" if kpi.buckets else found
