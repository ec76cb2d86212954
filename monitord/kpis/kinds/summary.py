"""Summaries: counts and sums as of histograms, but quantiles only as the exporter computed them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitord.kpis.kind import KpiFields, Source, selector
from monitord.kpis.kinds._observations import ObservationKind
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.span import Span

if TYPE_CHECKING:
    from monitord.kpis.readings.distinct import Mergeable


class Summary(ObservationKind):
    """Observations counted and added up, with quantiles that the exporter computed."""

    name = "summary"

    def sources(self, kpi: KpiFields) -> tuple[Source, ...]:
        if not any(map(quantile_of, kpi.stats)):
            return super().sources(kpi)
        match = ",".join(filter(None, (kpi.match, 'quantile!=""')))
        return (*super().sources(kpi), Source("quantiles", kpi.metric or "", match))

    def new_reading(self, kpi: KpiFields, span: Span) -> Mergeable:  # noqa: ARG002
        from monitord.kpis.readings.summary import SummaryReading

        return SummaryReading(span)

    def nearest_promql(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, str]:
        exported = selector(kpi, services, span)
        percentiles = {
            stat: f'last_over_time({exported[:-1]},quantile="{q:g}"}}{span.whole})'
            for stat in kpi.stats
            if (q := quantile_of(stat))
        }
        return super().nearest_promql(kpi, services, span) | percentiles
