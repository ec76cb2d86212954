"""Gauges: the values that a series had when it was scraped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitord.kpis.kind import KpiFields, MetricKind, Source, once, selector
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.span import Span

if TYPE_CHECKING:
    from monitord.kpis.readings.distinct import Mergeable


class Gauge(MetricKind):
    """The values of a gauge when it was scraped; `sum` adds up the means of all series."""

    name = "gauge"
    stats = ("mean", "sum", "min", "max", "std")
    has_percentiles = True

    def stats_over_time(self, kpi: KpiFields) -> tuple[str, ...]:
        return ("mean", "sum") if "sum" in kpi.stats else ("mean",)

    def sources(self, kpi: KpiFields) -> tuple[Source, ...]:
        return (Source("gauge", kpi.metric or "", kpi.match or ""),)

    def new_reading(self, kpi: KpiFields, span: Span) -> Mergeable:  # noqa: ARG002
        from monitord.kpis.readings.gauge import GaugeReading

        return GaugeReading(span)

    def nearest_promql(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, str]:
        samples = f"{selector(kpi, services, span)}{span.whole}"
        found = {}
        for stat in kpi.stats:
            q = quantile_of(stat)
            if q is not None:
                of_each = once(kpi, f"quantile_over_time({q:g}, {samples})")
                found[stat] = f"quantile({q:g}, {of_each})"
            elif stat == "std":
                found[stat] = f"avg({once(kpi, f'stddev_over_time({samples})')})"
            else:
                aggregation, function = ("avg", "avg") if stat == "mean" else (stat, stat)
                function = "avg" if stat == "sum" else function
                found[stat] = f"{aggregation}({once(kpi, f'{function}_over_time({samples})')})"
        return found
