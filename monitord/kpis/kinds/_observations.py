"""What kinds that count observations and add them up have in common."""

from __future__ import annotations

from monitord.kpis.kind import KpiFields, MetricKind, Source, once, selector
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.span import Span


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

    def sources(self, kpi: KpiFields) -> tuple[Source, ...]:
        match = kpi.match or ""
        return tuple(Source(role, f"{kpi.metric}_{role}", match) for role in ("count", "sum"))

    def nearest_promql(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, str]:
        count, observed = (
            f"sum({once(kpi, f'increase({selector(kpi, services, span, suffix)}{span.whole})')})"
            for suffix in ("_count", "_sum")
        )
        of_stat = {
            "mean": f"{observed} / {count}", "count": count, "total": observed,
            "rate": f"sum({once(kpi, f'rate({selector(kpi, services, span, self.suffix)}{span.whole})')})",
        }  # fmt: skip
        return {stat: of_stat[stat] for stat in kpi.stats if stat in of_stat}
