"""Gauges: the values that a series had when it was scraped."""

from __future__ import annotations

from monitord.kpis.kind import KpiFields, MetricKind, MetricReading, Source, selector
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.span import Span


class Gauge(MetricKind):
    """The values of a gauge when it was scraped; `sum` adds up the means of all series."""

    name = "gauge"
    stats = ("mean", "sum", "min", "max", "std")
    has_percentiles = True

    def stats_over_time(self, kpi: KpiFields) -> tuple[str, ...]:
        return ("mean", "sum") if "sum" in kpi.stats else ("mean",)

    def sources(self, kpi: KpiFields) -> tuple[Source, ...]:
        return (Source("gauge", kpi.metric or "", kpi.match or ""),)

    def reading(self, kpi: KpiFields, span: Span) -> MetricReading:  # noqa: ARG002
        from monitord.kpis.readings.gauge import GaugeReading

        return GaugeReading(span)

    def nearest_promql(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, str]:
        samples = f"{selector(kpi, services, span)}{span.whole}"
        found = {}
        for stat in kpi.stats:
            q = quantile_of(stat)
            if q is not None:
                found[stat] = f"quantile({q:g}, quantile_over_time({q:g}, {samples}))"
            elif stat == "std":
                found[stat] = f"avg(stddev_over_time({samples}))"
            else:
                aggregation, function = ("avg", "avg") if stat == "mean" else (stat, stat)
                function = "avg" if stat == "sum" else function
                found[stat] = f"{aggregation}({function}_over_time({samples}))"
        return found
