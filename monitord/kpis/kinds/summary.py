"""Summaries: counts and sums as of histograms, but quantiles only as the exporter computed them."""

from __future__ import annotations

from collections.abc import Collection

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group, read_quantiles
from monitord.kpis.kind import Answers, KpiFields, selector
from monitord.kpis.observations import ObservationKind, ObservationReading
from monitord.kpis.span import Query, Span


class Summary(ObservationKind):
    """Observations counted and added up, with quantiles that the exporter computed."""

    name = "summary"

    def percentile_queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        exported = selector(kpi, services, span, matcher='quantile!=""')
        return {"quantiles": span.at_end(f"last_over_time({exported}{span.whole})")}

    def read(self, answers: Answers, span: Span) -> SummaryReading:
        return SummaryReading(answers, span)


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
