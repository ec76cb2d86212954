"""Answers read by group: the labels that KPI queries keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from monitord.prometheus.api.series import Answer, NativeHistogram


class Group(NamedTuple):
    """The series of one target (and GPU) taken together; a label it does not have is empty."""

    job: str = ""
    instance: str = ""
    client: str = ""
    service: str = ""
    node: str = ""
    gpu: str = ""


Values = Mapping[Group, float]
Buckets = Mapping[Group, Mapping[float, float]]  # upper bound -> cumulative count
Steps = Mapping[Group, Mapping[float, float]]  # Unix seconds -> value


def group_of(labels: Mapping[str, str]) -> Group:
    label = (
        labels.get
    )  # written out because it is called for each series of each step: a loop takes twice as long
    return Group(
        label("job", ""), label("instance", ""), label("client", ""),
        label("service", ""), label("node", ""), label("gpu", ""),
    )  # fmt: skip


def read_values(answer: Answer) -> Values:
    """Return the value of each group in the answer to an instant query."""
    return {group_of(series.labels): series.value for series in answer.series}


def read_histograms(answer: Answer) -> Mapping[Group, NativeHistogram]:
    """Return the native histogram of each group in the answer to an instant query."""
    return {group_of(series.labels): series.value for series in answer.histograms}


def read_buckets(answer: Answer) -> Buckets:
    """Return each group's histogram; `le="1"` and `le="1.0"` are one bucket."""
    buckets: dict[Group, dict[float, float]] = {}
    for series in answer.series:
        bounds = buckets.setdefault(group_of(series.labels), {})
        bound = float(series.labels["le"])
        bounds[bound] = bounds.get(bound, 0.0) + series.value
    return buckets


def respelt_groups(answer: Answer) -> frozenset[Group]:
    """Return the groups whose histogram has a bound in two spellings, as two series.

    That happens when Prometheus 3 continues with data that version 2 stored. An observation between the
    last sample of the one and the first of the other is in neither's increase.
    """
    bounds = Counter((group_of(series.labels), float(series.labels["le"])) for series in answer.series)
    return frozenset(group for (group, _), spellings in bounds.items() if spellings > 1)


def read_quantiles(answer: Answer) -> Mapping[Group, Mapping[float, list[float]]]:
    """Return each group's summaries: by quantile, what each series of the group has."""
    found: dict[Group, dict[float, list[float]]] = {}
    for series in answer.series:
        quantiles = found.setdefault(group_of(series.labels), {})
        quantiles.setdefault(float(series.labels["quantile"]), []).append(series.value)
    return found


def read_steps(answer: Answer) -> Steps:
    """Return each group's values over time in the answer to a range query."""
    return {group_of(series.labels): dict(series.samples) for series in answer.series}
