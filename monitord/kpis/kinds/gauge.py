"""Gauges: computed from all samples in the window, each with the same weight, of whichever series."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from monitord.kpis import estimate as why
from monitord.kpis.estimate import Estimate, divide, total
from monitord.kpis.groups import Group, group_of, read_values
from monitord.kpis.kind import Answers, KpiFields, MetricKind, quantile_of, selector
from monitord.kpis.promql import grouped
from monitord.kpis.quantile import sample_quantile
from monitord.kpis.span import Query, Span
from monitord.prometheus.api.series import Answer


class Gauge(MetricKind):
    """The values of a gauge when it was scraped."""

    name = "gauge"
    stats = ("mean", "min", "max", "std")
    has_percentiles = True

    def queries(self, kpi: KpiFields, services: tuple[str, ...], span: Span) -> dict[str, Query]:
        samples = f"{selector(kpi, services, span)}{span.whole}"
        # Sums and counts, not averages: only they merge into the true mean of several series.
        queries: dict[str, Query] = {"count": span.at_end(grouped("sum", f"count_over_time({samples})"))}
        for stat, role, aggregation in (
            ("mean", "sum", "sum"),
            ("min", "min", "min"),
            ("max", "max", "max"),
        ):
            if stat in kpi.stats:
                queries[role] = span.at_end(grouped(aggregation, f"{role}_over_time({samples})"))
        if "std" in kpi.stats or any(map(quantile_of, kpi.stats)):
            # quantile_over_time is one of a series, and quantiles of several series cannot be merged.
            queries["samples"] = span.at_end(samples)
        return queries

    def read(self, answers: Answers, span: Span) -> GaugeReading:  # noqa: ARG002
        return GaugeReading(answers)


class GaugeReading:
    """Samples of gauges.

    Standard deviations and percentiles are of all samples taken together, never of the series one by
    one. Samples that are not a number are left out, which is a reason for `partial`.
    """

    def __init__(self, answers: Answers) -> None:
        roles = answers.keys() - {"samples"}
        self._values = {role: read_values(answers[role]) for role in roles}
        self._samples = _by_group(answers["samples"]) if "samples" in answers else {}
        self.groups = self._values["count"].keys()

    def estimate(self, stat: str, scope: str, groups: Collection[Group]) -> Estimate:  # noqa: ARG002
        if not groups:
            return Estimate(None, reason=why.METRIC_ABSENT)
        n = round(total(self._values["count"][group] for group in groups))
        if stat == "mean":
            return divide(total(self._values["sum"][group] for group in groups), n, n)
        if stat in {"min", "max"}:
            values = [self._values[stat][group] for group in groups]
            return _of_numbers(min if stat == "min" else max, values, n)
        samples = [value for group in groups for value in self._samples.get(group, ())]
        q = quantile_of(stat)
        if q is None:
            return _of_numbers(_deviation, samples)
        return _of_numbers(lambda numbers: sample_quantile(q, numbers), samples)


def _of_numbers(
    compute: Callable[[list[float]], float], values: Collection[float], n: int | None = None
) -> Estimate:
    """Compute from the values that are numbers; `n` is their number, if not given."""
    numbers = [value for value in values if not math.isnan(value)]
    reason = why.NOT_A_NUMBER if len(numbers) < len(values) else ""
    n = len(numbers) if n is None else n
    return Estimate(compute(numbers) if numbers else None, n, reason=reason)


def _deviation(values: Collection[float]) -> float:
    """Return the standard deviation of all there is (not of a sample from it)."""
    mean = total(values) / len(values)
    return math.sqrt(total((value - mean) ** 2 for value in values) / len(values))


def _by_group(answer: Answer) -> Mapping[Group, list[float]]:
    samples: dict[Group, list[float]] = defaultdict(list)
    for series in answer.series:
        samples[group_of(series.labels)].extend(value for _, value in series.samples)
    return samples
