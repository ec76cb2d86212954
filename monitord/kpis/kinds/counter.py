"""Counters: rates over the window, and extremes over its tiles; or the ratio of two counters."""

from __future__ import annotations

from collections.abc import Collection

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate, divide, reason_uncounted, total
from monitord.kpis.groups import Group, Steps, Values, read_steps, read_values
from monitord.kpis.kind import Answers, KpiFields, MetricKind, selector
from monitord.kpis.promql import grouped, session_matchers, uncounted_query
from monitord.kpis.span import Query, Span


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

    def counter_suffixes(self, native: bool) -> tuple[str, ...]:  # noqa: ARG002
        return ("",)

    def queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        counter = selector(kpi, services, span)
        queries: dict[str, Query] = {
            "series": span.at_end(grouped("count", f"count_over_time({counter}{span.whole})")),
            "increase": span.at_end(grouped("sum", f"increase({counter}{span.whole})")),
            "uncounted": uncounted_query(counter, span),
        }
        in_tiles = span.tiles > 1 and not {"min", "max"}.isdisjoint(kpi.stats)
        if in_tiles:
            queries["rates"] = span.over_tiles(grouped("sum", f"rate({counter}{span.tile})"))
        if kpi.per:
            divisor = _narrowed(kpi.per, session_matchers(span.session, services))
            queries["divisor"] = span.at_end(grouped("sum", f"increase({divisor}{span.whole})"))
            if in_tiles:
                queries["divisor_rates"] = span.over_tiles(grouped("sum", f"rate({divisor}{span.tile})"))
        return queries

    def read(self, answers: Answers, span: Span) -> CounterReading:
        return CounterReading(answers, span)


def _narrowed(selector: str, matchers: str) -> str:
    metric, brace, own = selector.partition("{")
    return f"{metric}{{{matchers},{own}" if brace else f"{metric}{{{matchers}}}"


class CounterReading:
    """Counters, or with a divisor the ratio of two.

    A group that only the divisor has counts in the ratio's whole, as in PromQL's `sum(a) / sum(b)`.
    """

    def __init__(self, answers: Answers, span: Span) -> None:
        self._span = span
        self._series = read_values(answers["series"])
        self._increase = read_values(answers["increase"])
        self._uncounted = read_values(answers["uncounted"])
        self._rates = _steps(answers, "rates")
        self._divisor: Values | None = None
        if "divisor" in answers:
            self._divisor = read_values(answers["divisor"])
        self._divisor_rates = _steps(answers, "divisor_rates")
        self.groups = self._series.keys() | (self._divisor or {}).keys()

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        present = [group for group in groups if group in self._series]
        measured = [group for group in present if group in self._increase]
        if not present:
            return Estimate(None, reason=why.METRIC_ABSENT)
        if not measured:
            return Estimate(None, reason=why.TOO_FEW_SAMPLES)
        reason = why.TOO_FEW_SAMPLES if len(measured) < len(present) else ""
        n = round(total(self._series[group] for group in measured))
        increase = total(self._increase[group] for group in measured)
        uncounted = total(self._uncounted.get(group, 0.0) for group in measured)
        reason = reason or reason_uncounted(uncounted, increase)
        if stat == "total":
            return Estimate(increase, n, reason=reason)
        if stat in {"mean", "rate"}:
            return divide(increase, self._whole(groups), n, reason)
        if self._span.tiles == 1:
            return divide(increase, self._whole(groups), 1, reason)
        return self._extreme(stat, measured, groups, reason)

    def _whole(self, groups: Collection[Group]) -> float:
        """Return what an increase is divided by: the divisor's increase, else the seconds."""
        if self._divisor is None:
            return self._span.seconds
        return total(self._divisor[group] for group in groups if group in self._divisor)

    def _extreme(
        self, stat: str, measured: Collection[Group], groups: Collection[Group], reason: str
    ) -> Estimate:
        """Compare the steps at which every group has a rate: without one the sum would dip."""
        sums = _sums(self._rates, measured)
        if self._divisor is not None:
            dividing = [group for group in groups if group in self._divisor]
            wholes = _sums(self._divisor_rates, dividing)
            sums = {time: sums[time] / whole for time, whole in wholes.items() if time in sums and whole}
        if not sums:
            return Estimate(None, reason=why.NO_COMMON_STEP)
        if len(sums) < self._span.tiles:
            reason = why.STEPS_MISSING
        values = sums.values()
        return Estimate(min(values) if stat == "min" else max(values), len(sums), reason=reason)


def _steps(answers: Answers, role: str) -> Steps:
    return read_steps(answers[role]) if role in answers else {}


def _sums(steps: Steps, groups: Collection[Group]) -> dict[float, float]:
    """Return the sum over groups at each time that all of them have."""
    each = [steps.get(group, {}) for group in groups]
    times = set(each[0]).intersection(*each[1:]) if each else set()
    return {time: total(values[time] for values in each) for time in sorted(times)}
