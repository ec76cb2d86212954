"""Counters: rates over the window, and extremes over its tiles."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate, divide, reason_uncounted, total
from monitord.kpis.groups import Group, Steps, Values, read_steps, read_values
from monitord.kpis.span import Span
from monitord.prometheus.api.series import Answer


class CounterReading:
    """Counters, or with a divisor the ratio of two.

    A group that only the divisor has counts in the ratio's whole, as in PromQL's `sum(a) / sum(b)`.
    """

    def __init__(self, answers: Mapping[str, Answer], span: Span) -> None:
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


def _steps(answers: Mapping[str, Answer], role: str) -> Steps:
    return read_steps(answers[role]) if role in answers else {}


def _sums(steps: Steps, groups: Collection[Group]) -> dict[float, float]:
    """Return the sum over groups at each time that all of them have."""
    each = [steps.get(group, {}) for group in groups]
    times = set(each[0]).intersection(*each[1:]) if each else set()
    return {time: total(values[time] for values in each) for time in sorted(times)}
