"""Counters: rates over the window, and extremes over its tiles; or the ratio of two counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitord.kpis.kind import KpiFields, MetricKind, Source, once, selector
from monitord.kpis.promql import session_matchers
from monitord.kpis.span import Span

if TYPE_CHECKING:
    from monitord.kpis.readings.distinct import Mergeable


class Counter(MetricKind):
    """A counter's increase per second, or with `per` per increase of a second counter."""

    name = "counter"
    stats = ("mean", "rate", "min", "max", "total")

    def check_divisor(self, kpi: KpiFields) -> None:
        """Accept a divisor: only counters have one."""

    def check_stat(self, kpi: KpiFields, stat: str) -> None:
        super().check_stat(kpi, stat)
        if stat in {"rate", "total"}:
            if kpi.per is not None:
                raise ValueError(f"stat {stat} cannot be used with `per`; use mean for the ratio")
            if not kpi.unit.endswith("/s"):
                raise ValueError(f"stat {stat} needs a unit per second, such as requests/s")

    def unit_of(self, kpi: KpiFields, stat: str) -> str:
        return kpi.unit.removesuffix("/s") if stat == "total" else kpi.unit

    def required_metrics(self, kpi: KpiFields, native: bool) -> tuple[tuple[str, ...], ...]:
        ((metric,),) = super().required_metrics(kpi, native)
        return ((metric, kpi.per.partition("{")[0]),) if kpi.per else ((metric,),)

    def sources(self, kpi: KpiFields) -> tuple[Source, ...]:
        counter = Source("counter", kpi.metric or "", kpi.match or "")
        if kpi.per is None:
            return (counter,)
        metric, _, matchers = kpi.per.partition("{")
        return (counter, Source("divisor", metric, matchers.removesuffix("}")))

    def new_reading(self, kpi: KpiFields, span: Span) -> Mergeable:
        from monitord.kpis.readings.counter import CounterReading

        # Without matchers of its own, a divisor of the same metric counts everything that the counter does.
        return CounterReading(span, kpi.per is not None, is_share=kpi.per == kpi.metric)

    def nearest_promql(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, str]:
        increase = f"sum({once(kpi, f'increase({selector(kpi, services, span)}{span.whole})')})"
        if kpi.per:
            divisor = _narrowed(kpi.per, session_matchers(span.session, services))
            return {"mean": f"{increase} / sum(increase({divisor}{span.whole}))"}
        rate = f"sum({once(kpi, f'rate({selector(kpi, services, span)}{span.whole})')})"
        of_stat = {"mean": rate, "rate": rate, "total": increase}
        return {stat: of_stat[stat] for stat in kpi.stats if stat in of_stat}


def _narrowed(per: str, matchers: str) -> str:
    metric, brace, own = per.partition("{")
    return f"{metric}{{{matchers},{own}" if brace else f"{metric}{{{matchers}}}"
