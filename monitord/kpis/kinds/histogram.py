"""Histograms, in their classic and in their native form: quantiles over all that was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitord.kpis.kind import KpiFields, MetricReading, NativeReading, Source, once, selector
from monitord.kpis.kinds._observations import ObservationKind
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.span import Span

if TYPE_CHECKING:
    from monitord.kpis.readings.distinct import Mergeable


class Histogram(ObservationKind):
    """Observations in buckets, by a target or, where the server has them, native histograms."""

    name = "histogram"

    def required_metrics(self, kpi: KpiFields, native: bool) -> tuple[tuple[str, ...], ...]:
        classic = super().required_metrics(kpi, native)
        return (*classic, (kpi.metric or "",)) if native else classic

    def sources(self, kpi: KpiFields) -> tuple[Source, ...]:
        buckets = Source("buckets", f"{kpi.metric}_bucket", kpi.match or "")
        return (*super().sources(kpi), *([buckets] if any(map(quantile_of, kpi.stats)) else []))

    def native_source(self, kpi: KpiFields) -> Source | None:
        return Source("native", kpi.metric or "", kpi.match or "")

    def new_reading(self, kpi: KpiFields, span: Span) -> Mergeable:  # noqa: ARG002
        from monitord.kpis.readings.histogram import HistogramReading

        return HistogramReading(span)

    def native_reading(self, reading: MetricReading) -> NativeReading | None:
        from monitord.kpis.readings.distinct import DistinctReading
        from monitord.kpis.readings.histogram import HistogramReading

        return reading if isinstance(reading, HistogramReading | DistinctReading) else None

    def nearest_promql(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, str]:
        increase = f"increase({selector(kpi, services, span, '_bucket')}{span.whole})"
        buckets = f"sum by (le) ({once(kpi, increase, 'le')})"
        percentiles = {
            stat: f"histogram_quantile({q:g}, {buckets})" for stat in kpi.stats if (q := quantile_of(stat))
        }
        return super().nearest_promql(kpi, services, span) | percentiles
