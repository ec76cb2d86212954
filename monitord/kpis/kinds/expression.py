"""Free expressions: PromQL that a recipe's author wrote, evaluated once per scope."""

from __future__ import annotations

import math
import re
from collections.abc import Collection

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group, group_of
from monitord.kpis.kind import Answers, Kind, KpiFields
from monitord.kpis.promql import SCOPES, session_matchers
from monitord.kpis.span import Query, Span

_PLACEHOLDER = re.compile(r"\$[A-Za-z_]*")
_KNOWN_PLACEHOLDERS = ("$window", "$selector", "$by")


class Expression(Kind):
    """PromQL in which `$window`, `$selector` and `$by` are replaced."""

    name = "expr"
    stats = ("value",)
    merges = False

    def check_source(self, kpi: KpiFields) -> None:
        if kpi.expr is None:
            raise ValueError("kind expr needs `expr`")
        if kpi.metric is not None or kpi.match is not None:
            raise ValueError("kind expr has no metric or match; write them into expr")
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
            scope: span.at_end(
                (kpi.expr or "")
                .replace("$window", span.whole)
                .replace("$selector", session_matchers(span.session, services))
                .replace("$by", ", ".join(SCOPES[scope]))
            )
            for scope in ("session", *kpi.by)
        }

    def read(self, answers: Answers, span: Span) -> ExpressionReading:  # noqa: ARG002
        return ExpressionReading(answers)


class ExpressionReading:
    """The values of an expression by scope: those of several groups cannot be merged."""

    def __init__(self, answers: Answers) -> None:
        self._values: dict[tuple[str, Group], list[float]] = {}
        for scope, answer in answers.items():
            for series in answer.series:
                key = (scope, group_of(series.labels))
                self._values.setdefault(key, []).append(series.value)
            for native in answer.histograms:
                # A native histogram is no number.
                self._values.setdefault((scope, group_of(native.labels)), []).append(math.nan)
        self.groups = {group for _, group in self._values}

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        values = [value for group in groups for value in self._values.get((scope, group), ())]
        if not values:
            return Estimate(None, reason=why.METRIC_ABSENT)
        if len(values) > 1:
            return Estimate(None, len(values), reason=why.SEVERAL_SERIES)
        return Estimate(values[0])
