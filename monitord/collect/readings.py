"""What the answers about one KPI say, by kind; each can estimate a stat over any set of groups."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Protocol

from monitord.collect.counter import CounterReading
from monitord.collect.gauge import GaugeReading
from monitord.collect.observations import HistogramReading, SummaryReading
from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate
from monitord.kpis.groups import Group, group_of
from monitord.kpis.span import Span
from monitord.prometheus.api.series import Answer
from monitord.recipes.model import Kpi

Answers = Mapping[str, Answer]


class Reading(Protocol):
    """A KPI's answers, read once."""

    @property
    def groups(self) -> Collection[Group]:
        """All groups that any of the answers has."""

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:
        """Estimate a stat over some of the groups, in the metric's own unit."""


def read(kpi: Kpi, answers: Answers, span: Span) -> Reading:
    """Return the reading of a KPI's answers, which are keyed as its queries were."""
    match kpi.kind:
        case "counter":
            return CounterReading(answers, span)
        case "gauge":
            return GaugeReading(answers)
        case "histogram":
            return HistogramReading(answers, span)
        case "summary":
            return SummaryReading(answers, span)
        case "expr":
            return ExpressionReading(answers)


class ExpressionReading:
    """A free expression, evaluated once a scope: values of several groups cannot be merged."""

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
