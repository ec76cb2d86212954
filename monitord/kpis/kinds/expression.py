"""Free expressions: PromQL that a recipe's author wrote, evaluated once per scope."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group, group_of
from monitord.kpis.kind import KpiFields, QueryKind, Reading
from monitord.kpis.promql import SCOPES, session_matchers
from monitord.kpis.span import Query, Span
from monitord.prometheus.api.series import Answer

_PLACEHOLDER = re.compile(r"\$[A-Za-z_]*")
_KNOWN_PLACEHOLDERS = ("$window", "$selector", "$by")


class Expression(QueryKind):
    """PromQL in which `$window`, `$selector` and `$by` are replaced."""

    name = "expr"
    stats = ("value",)
    merges = False

    def check_source(self, kpi: KpiFields) -> None:
        if kpi.expr is None:
            raise ValueError("kind expr needs `expr`")
        if kpi.metric is not None or kpi.match is not None:
            raise ValueError("kind expr has no metric or match; write them into expr")
        if kpi.distinct:
            raise ValueError("kind expr has no `distinct`; write it into expr, as max by (LABELS) (...)")
        used = set(_PLACEHOLDER.findall(kpi.expr))
        if unknown := sorted(used.difference(_KNOWN_PLACEHOLDERS)):
            raise ValueError(f"{unknown[0]} is unknown; use {', '.join(_KNOWN_PLACEHOLDERS)}")
        if "$selector" not in used:
            raise ValueError(
                "expr must select its series with {$selector}, or series of other sessions would count too"
            )
        if kpi.by and "$by" not in used:
            raise ValueError("expr must group by ($by), because `by` lists scopes other than the session")

    def stats_over_time(self, kpi: KpiFields) -> tuple[str, ...]:  # noqa: ARG002
        return self.stats

    def required_metrics(self, kpi: KpiFields, native: bool) -> tuple[tuple[str, ...], ...]:  # noqa: ARG002
        return ()

    def queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        return {
            scope: span.at_end(promql)
            for scope, promql in _expressions(kpi, services, span, span.whole).items()
        }

    def queries_over_time(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        return {
            scope: span.over_steps(promql)
            for scope, promql in _expressions(kpi, services, span, span.step).items()
        }

    def read(self, whole: Mapping[str, Answer], over_time: Mapping[str, Answer], span: Span) -> Reading:
        return ExpressionReading(whole, over_time, span)

    def nearest_promql(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, str]:
        return {"value": _expressions(kpi, services, span, span.whole)["session"]}


def _expressions(kpi: KpiFields, services: tuple[str, ...], span: Span, window: str) -> dict[str, str]:
    return {
        scope: (kpi.expr or "")
        .replace("$window", window)
        .replace("$selector", session_matchers(span.session, services))
        .replace("$by", ", ".join(SCOPES[scope]))
        for scope in ("session", *kpi.by)
    }


class ExpressionReading:
    """The values of an expression by scope: those of several groups cannot be merged."""

    def __init__(self, whole: Mapping[str, Answer], over_time: Mapping[str, Answer], span: Span) -> None:
        self._values: dict[tuple[str, Group], list[float]] = {}
        for scope, answer in whole.items():
            for series in answer.series:
                key = (scope, group_of(series.labels))
                self._values.setdefault(key, []).append(series.value)
            for native in answer.histograms:
                # A native histogram is no number.
                self._values.setdefault((scope, group_of(native.labels)), []).append(math.nan)
        self._ends = [round(end * 1000) for end in span.step_ends()]
        self._steps: dict[tuple[str, Group], list[Mapping[int, float]]] = {}
        for scope, answer in over_time.items():
            for series in answer.series:
                samples = {round(time * 1000): value for time, value in series.samples}
                self._steps.setdefault((scope, group_of(series.labels)), []).append(samples)
        self.groups = dict.fromkeys(group for _, group in (*self._values, *self._steps)).keys()

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        values = [value for group in groups for value in self._values.get((scope, group), ())]
        if not values:
            return Estimate(None, reason=why.METRIC_ABSENT)
        if len(values) > 1:
            return Estimate(None, len(values), reason=why.SEVERAL_SERIES)
        return Estimate(values[0])

    def over_time(self, stat: str, scope: str, groups: Collection[Group]) -> Sequence[float]:  # noqa: ARG002
        """Return the value at the end of each step, not a number where there is none or several."""
        found = [samples for group in groups for samples in self._steps.get((scope, group), ())]
        each = [[samples[end] for samples in found if end in samples] for end in self._ends]
        return [values[0] if len(values) == 1 else math.nan for values in each] if found else []
