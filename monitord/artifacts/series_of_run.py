"""The series of runs, as they are matched: by what identifies the same series in two runs. Pure.

That is its metric, job, service, GPU and other labels. Where a run took place is not: `instance`, `node` and
`client` are left out, and so are the labels of a job that have no value in common between the two sides, such
as a GPU's UUID, the number of a run, the name of the model that is compared, or a label that is new. Series
with one key are aggregated: of counters the rates and their bounds are added up, of gauges the means are
averaged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from monitord.collect.series_summary import NUMBERS, TEXTS, SeriesRows

Kind = Literal["rate", "mean", "observed mean"]
Labels = tuple[tuple[str, str], ...]
Ignored = Mapping[str, frozenset[str]]
"""The labels of each job that have no value in common between the two sides."""
_METRIC, _TYPE, _JOB, _SERVICE, _GPU, _LABELS = (
    TEXTS.index(name) for name in ("metric", "type", "job", "service", "gpu", "labels")
)
_N, _MEAN, _STD, _INCREASE, _LOW, _HIGH, _RATE = (
    NUMBERS.index(name) for name in ("n", "mean", "std", "increase", "increase_lo", "increase_hi", "rate")
)
_PARTS = ("_bucket", "_count", "_sum")


class SeriesKey(NamedTuple):
    """What identifies the same series in two runs.

    Its number is the `rate` of a counter, the `mean` of a gauge, or the `observed mean` of a histogram or
    summary: its sum by its count.
    """

    metric: str
    kind: Kind
    job: str
    service: str
    labels: Labels

    @property
    def is_bucket(self) -> bool:
        return self.kind == "rate" and self.metric.endswith("_bucket")

    @property
    def is_mean(self) -> bool:
        return self.kind != "rate"

    @property
    def family(self) -> str:
        """The metric that this one is a part of, if it may be one."""
        if self.kind == "rate":
            for part in _PARTS:
                if self.metric.endswith(part):
                    return self.metric.removesuffix(part)
        return self.metric


@dataclass(slots=True)
class SeriesValue:
    """The number of a series in one run: `low` and `high` contain the true value of a counter.

    Of a gauge they are one standard deviation of its samples away, infinitely far if it has but one. `n` is
    how many samples there are.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(slots=True)
class _Gathered:
    """The sums of the rows with one key."""

    value: float = 0.0
    low: float = 0.0
    high: float = 0.0
    n: int = 0
    rows: int = 0
    types: set[str] = field(default_factory=set)


def ignored_labels(before: Iterable[SeriesRows], after: Iterable[SeriesRows]) -> dict[str, frozenset[str]]:
    """Return the labels of each job that cannot identify a series: no value of theirs is on both sides."""
    first, second = _values(before), _values(after)
    found: dict[str, set[str]] = {}
    for job in first.keys() & second.keys():
        for label in first[job].keys() | second[job].keys():
            if first[job].get(label, set()).isdisjoint(second[job].get(label, set())):
                found.setdefault(job, set()).add(label)
    return {job: frozenset(labels) for job, labels in found.items()}


def series_of(run: SeriesRows, ignored: Ignored) -> dict[SeriesKey, SeriesValue]:
    """Return the numbers of a run by their keys; those that are not finite are left out."""
    seconds = _seconds(run)
    gathered: dict[SeriesKey, _Gathered] = {}
    for texts, numbers in zip(run.texts, run.numbers.tolist(), strict=True):
        is_counter = not math.isnan(numbers[_INCREASE])
        value = numbers[_RATE if is_counter else _MEAN]
        if not math.isfinite(value) or (is_counter and math.isnan(numbers[_LOW] + numbers[_HIGH])):
            continue
        job = texts[_JOB]
        labels = _labels(texts[_LABELS], texts[_GPU], ignored.get(job, frozenset()))
        key = SeriesKey(texts[_METRIC], "rate" if is_counter else "mean", job, texts[_SERVICE], labels)
        sums = gathered.setdefault(key, _Gathered())
        if is_counter:
            low, high = numbers[_LOW] / seconds, numbers[_HIGH] / seconds
        else:
            # The variances of gauges are averaged as their means are.
            low = high = numbers[_STD] ** 2 if math.isfinite(numbers[_STD]) else 0.0
        sums.value += value
        sums.low += low
        sums.high += high
        sums.n += round(numbers[_N])
        sums.rows += 1
        sums.types.add(texts[_TYPE])
    found = {key: _aggregate(key, sums) for key, sums in gathered.items()}
    return found | dict(_observed_means(found, gathered))


def _aggregate(key: SeriesKey, sums: _Gathered) -> SeriesValue:
    if key.kind == "rate":
        return SeriesValue(sums.value, sums.low, sums.high, sums.n)
    mean = sums.value / sums.rows
    deviation = math.sqrt(sums.low / sums.rows) if sums.n > 1 else math.inf
    return SeriesValue(mean, mean - deviation, mean + deviation, sums.n)


def _observed_means(
    found: Mapping[SeriesKey, SeriesValue], gathered: Mapping[SeriesKey, _Gathered]
) -> Iterable[tuple[SeriesKey, SeriesValue]]:
    """Yield the mean of what each histogram or summary observed: its sum by its count, with bounds."""
    for key, total in found.items():
        if key.kind != "rate" or not key.metric.endswith("_sum"):
            continue
        whole = key.metric.removesuffix("_sum")
        count = found.get(key._replace(metric=f"{whole}_count"))
        if count is None or count.value <= 0 or gathered[key].types - {"histogram", "summary", "counter"}:
            continue
        low = total.low / count.high
        high = total.high / count.low if count.low > 0 else math.inf
        value = total.value / count.value
        mean = SeriesValue(value, min(low, value), max(high, value), count.n)
        yield key._replace(metric=whole, kind="observed mean"), mean


def _seconds(run: SeriesRows) -> float:
    """Return how long the window was, by its counters."""
    increases, rates = run.numbers[:, _INCREASE], run.numbers[:, _RATE]
    grown = np.isfinite(rates) & (rates > 0)
    return float(np.median(increases[grown] / rates[grown])) if grown.any() else 1.0


def _values(runs: Iterable[SeriesRows]) -> dict[str, dict[str, set[str]]]:
    """Return the values of each label of each job."""
    found: dict[str, dict[str, set[str]]] = {}
    rows = {(texts[_JOB], texts[_LABELS], texts[_GPU]) for run in runs for texts in run.texts}
    for job, others, gpu in rows:
        of_job = found.setdefault(job, {})
        for label, value in _labels(others, gpu, frozenset()):
            of_job.setdefault(label, set()).add(value)
    return found


@lru_cache(maxsize=65_536)
def _labels(others: str, gpu: str, ignored: frozenset[str]) -> Labels:
    labels: dict[str, str] = msgspec.json.decode(others, type=dict[str, str])
    if gpu:
        labels["gpu"] = gpu
    return tuple(item for item in sorted(labels.items()) if item[0] not in ignored)


def metrics_of(keys: Iterable[SeriesKey]) -> Sequence[str]:
    """Return the metrics of some series, each once."""
    return sorted({key.metric for key in keys})
