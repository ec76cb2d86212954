"""What the answers about one KPI say, by kind; each can estimate a stat over any set of groups."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Protocol

from monitord.collect import estimate as why
from monitord.collect.counter import CounterReading
from monitord.collect.estimate import Estimate, divide, total
from monitord.collect.groups import Group, group_of, read_buckets, read_values, respelt_groups
from monitord.collect.quantile import bucket_quantile, merge_buckets
from monitord.prometheus.series import Answer
from monitord.recipes.model import Kpi, quantile_of
from monitord.recipes.span import Span

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
            return HistogramReading(answers)
        case "expr":
            return ExpressionReading(answers)


class GaugeReading:
    """Samples of gauges. A mean weighs every sample alike, of whichever series."""

    def __init__(self, answers: Answers) -> None:
        self._values = {role: read_values(answer) for role, answer in answers.items()}
        self.groups = self._values["count"].keys()

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        if not groups:
            return Estimate(None, reason=why.METRIC_ABSENT)
        n = round(total(self._values["count"][group] for group in groups))
        if stat == "mean":
            return divide(total(self._values["sum"][group] for group in groups), n, n)
        values = [self._values[stat][group] for group in groups]
        known = [value for value in values if not math.isnan(value)]
        reason = why.NOT_A_NUMBER if len(known) < len(values) else ""
        pick = min if stat == "min" else max
        return Estimate(pick(known, default=None), n, reason=reason)


class HistogramReading:
    """Histograms. A quantile is one over all that was observed, never a mean of several."""

    def __init__(self, answers: Answers) -> None:
        self.groups = read_values(answers["series"]).keys()
        self._count = read_values(answers["count"])
        self._sum = read_values(answers["sum"]) if "sum" in answers else {}
        self._buckets = read_buckets(answers["buckets"]) if "buckets" in answers else {}
        self._respelt = respelt_groups(answers["buckets"]) if "buckets" in answers else frozenset()

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        if not groups:
            return Estimate(None, reason=why.METRIC_ABSENT)
        measured = [group for group in groups if group in self._count]
        count = total(self._count[group] for group in measured)
        if not measured or math.isnan(count):
            return Estimate(None, reason=why.NOT_A_NUMBER if measured else why.TOO_FEW_SAMPLES)
        reason = why.TOO_FEW_SAMPLES if len(measured) < len(groups) else ""
        if stat == "count":
            return Estimate(count, round(count), reason=reason)
        if count == 0:
            return Estimate(None, 0, reason=why.NO_OBSERVATIONS)
        q = quantile_of(stat)
        return self._mean(measured, count, reason) if q is None else self._percentile(q, measured, reason)

    def _mean(self, groups: Collection[Group], count: float, reason: str) -> Estimate:
        sums = (self._sum.get(group, math.nan) for group in groups)
        return divide(total(sums), count, round(count), reason)

    def _percentile(self, q: float, groups: Collection[Group], reason: str) -> Estimate:
        if not self._respelt.isdisjoint(groups):
            reason = why.BUCKETS_RESPELT
        histograms = [self._buckets[group] for group in groups if group in self._buckets]
        if len(histograms) < len(groups):
            reason = why.BUCKETS_MISSING
        merged, mixed = merge_buckets(histograms)
        found = bucket_quantile(q, merged)
        if found is None:
            return Estimate(None, reason=why.MIXED_BUCKETS if mixed else why.BUCKETS_MISSING)
        if mixed:
            reason = why.MIXED_BUCKETS
        if math.isinf(found.high):
            reason = why.ABOVE_HIGHEST_BUCKET
        return Estimate(found.value, round(merged[math.inf]), found.low, found.high, reason)


class ExpressionReading:
    """A free expression, evaluated once a scope: values of several groups cannot be merged."""

    def __init__(self, answers: Answers) -> None:
        self._values: dict[tuple[str, Group], list[float]] = {}
        for scope, answer in answers.items():
            for series in answer.series:
                key = (scope, group_of(series.labels))
                self._values.setdefault(key, []).append(series.value)
        self.groups = {group for _, group in self._values}

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        values = [value for group in groups for value in self._values.get((scope, group), ())]
        if not values:
            return Estimate(None, reason=why.METRIC_ABSENT)
        if len(values) > 1:
            return Estimate(None, len(values), reason=why.SEVERAL_SERIES)
        return Estimate(values[0])
