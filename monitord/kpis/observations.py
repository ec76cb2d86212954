"""What histograms and summaries have in common: how many observations there were, and their sum."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate, divide, reason_uncounted, total
from monitord.kpis.groups import Group, Values, read_values
from monitord.kpis.kind import Answers, KpiFields, MetricKind, quantile_of, selector
from monitord.kpis.promql import grouped, uncounted_query
from monitord.kpis.span import Query, Span


class ObservationKind(MetricKind):
    """A kind that counts observations and adds them up, as `_count` and `_sum`."""

    stats = ("mean", "count", "total", "rate")
    has_percentiles = True
    suffix = "_count"

    def unit_of(self, kpi: KpiFields, stat: str) -> str:
        return {"count": "observations", "rate": "observations/s"}.get(stat, kpi.unit)

    def scale_of(self, kpi: KpiFields, stat: str) -> float:
        """Return 1 for what counts observations: `scale` is for what was observed."""
        return 1.0 if stat in {"count", "rate"} else kpi.scale

    def stats_over_time(self, kpi: KpiFields) -> tuple[str, ...]:
        return tuple(stat for stat in kpi.stats if stat == "mean" or quantile_of(stat))

    def counter_suffixes(self, native: bool) -> tuple[str, ...]:  # noqa: ARG002
        return ("_count",)

    def queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        count = selector(kpi, services, span, "_count")
        queries: dict[str, Query] = {
            "series": span.at_end(grouped("count", f"count_over_time({count}{span.whole})")),
            "count": span.at_end(grouped("sum", f"increase({count}{span.whole})")),
            "uncounted": uncounted_query(count, span),
        }
        if not {"mean", "total"}.isdisjoint(kpi.stats):
            observed = selector(kpi, services, span, "_sum")
            queries["sum"] = span.at_end(grouped("sum", f"increase({observed}{span.whole})"))
        if any(map(quantile_of, kpi.stats)):
            queries |= self.percentile_queries(kpi, services, span)
        return queries

    @abstractmethod
    def percentile_queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        """Return what is queried only if the KPI has percentiles."""


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
