"""Statistics of every series that was scraped in a window, with or without a recipe. Pure.

They are of the samples inside the window, both edges included. A sample that is not a number is left out, and
so is a series without any other. Percentiles lie linearly between ranks and `std` is that of the population,
as in PromQL. The increase of a counter is that of the KPIs: see `increase`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from monitord.collect.metric_types import MetricTypes
from monitord.kpis.readings.increase import Flags, Floats, Integers, Windows, increases
from monitord.kpis.readings.target_samples import NAME, TargetSamples, place
from monitord.kpis.span import TIMESTAMP_TOLERANCE, Span

OF_TARGETS = ("job", "instance", "client", "service", "node", "gpu")
TEXTS = ("metric", "type", *OF_TARGETS, "labels")
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_INCREASES = ("increase", "increase_lo", "increase_hi", "rate")
NUMBERS = ("n", "first", "last", "mean", "min", "max", "std", *PERCENTILES, *_INCREASES)
COLUMNS = (*TEXTS, *NUMBERS)
_NOT_OTHERS = {NAME, "session", *OF_TARGETS}
Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeriesRows:
    """Some series: the `TEXTS` of each, and its `NUMBERS` as a row, NaN for what is unknown."""

    texts: Sequence[Texts]
    numbers: Floats


class SeriesSummary:
    """Summarizes the series of a window's targets."""

    def __init__(self, span: Span, types: MetricTypes) -> None:
        self._types = types
        self._start_ms, self._end_ms = span.start_ms, span.end_ms
        edges = np.array([span.start_ms]) / 1000, np.array([span.end_ms]) / 1000
        self._window = Windows(*edges, span.skew + TIMESTAMP_TOLERANCE)

    def rows(self, target: TargetSamples) -> Iterator[SeriesRows]:
        """Yield the series of a target, or of those of its metrics that were read together."""
        if target.metrics:
            yield self._of_floats(target)
        if target.histograms:
            yield self._of_histograms(target)

    def _of_floats(self, target: TargetSamples) -> SeriesRows:
        metrics = target.metrics
        values = np.concatenate([each.values for each in metrics.values()])
        inside = values[:, self._inside(target)]
        kinds = [self._types.of(name) for name in metrics]
        sizes = [len(each.labels) for each in metrics.values()]
        present = ~np.isnan(inside)
        counts = present.sum(axis=1)
        seen = counts > 0
        texts = [
            _texts(name, kind, labels)
            for (name, metric), (kind, _) in zip(metrics.items(), kinds, strict=True)
            for labels in metric.labels
        ]
        if not seen.all():
            texts = [each for each, there in zip(texts, seen.tolist(), strict=True) if there]
            inside, present, counts = inside[seen], present[seen], counts[seen]
        numbers = np.full((len(texts), len(NUMBERS)), np.nan)
        if texts:
            _describe(inside, present, counts, numbers)
            counting = np.repeat([counter for _, counter in kinds], sizes)
            self._count(target, values[counting & seen], numbers, counting[seen])
        return SeriesRows(texts, numbers)

    def _of_histograms(self, target: TargetSamples) -> SeriesRows:
        """Summarize native histograms, whose samples are no numbers: how many they are, and their counts."""
        times = target.scrapes.times
        found = [each for series in target.histograms.values() for each in series]
        values = np.full((len(found), len(times)), np.nan)
        for row, each in enumerate(found):
            place(values[row], times, each.times, np.array([float(sample.count) for sample in each.samples]))
        counts = (~np.isnan(values[:, self._inside(target)])).sum(axis=1)
        seen = counts > 0
        texts = [_texts(each.labels[NAME], "histogram", each.labels) for each in found]
        numbers = np.full((int(seen.sum()), len(NUMBERS)), np.nan)
        numbers[:, 0] = counts[seen]
        self._count(target, values[seen], numbers, np.full(len(numbers), True))
        return SeriesRows([each for each, there in zip(texts, seen, strict=True) if there], numbers)

    def _inside(self, target: TargetSamples) -> slice:
        first, last = np.searchsorted(target.scrapes.times, (self._start_ms, self._end_ms + 1))
        return slice(int(first), int(last))

    def _count(self, target: TargetSamples, values: Floats, numbers: Floats, rows: Flags) -> None:
        """Write the increases of counters into their rows; `values` has a column for each scrape."""
        if not len(values):
            return
        scrapes = target.scrapes
        counted = values if scrapes.up.all() else values[:, scrapes.up]
        with np.errstate(invalid="ignore", over="ignore"):  # exporters may expose infinite counters
            found = increases(scrapes.successes, counted, self._window)
        seconds = float(self._window.ends[0] - self._window.starts[0])
        columns = (found.estimate, found.low, found.high, found.estimate / seconds)
        there = np.where(found.exists, 1.0, np.nan)
        numbers[rows, -len(_INCREASES) :] = np.hstack(columns) * there


def _texts(name: str, kind: str, labels: Mapping[str, str]) -> Texts:
    others = {label: labels[label] for label in sorted(labels.keys() - _NOT_OTHERS)}
    of_target = (labels.get(label, "") for label in OF_TARGETS)
    return (name, kind, *of_target, msgspec.json.encode(others).decode())


def _describe(values: Floats, present: Flags, counts: Integers, numbers: Floats) -> None:
    """Write what is known of samples into the first columns; every row has at least one sample."""
    rows, newest = np.arange(len(values)), values.shape[1] - 1
    whole = bool(present.all())
    ordered = np.sort(values, axis=1)  # what is not a number comes last
    least, most = ordered[:, 0], ordered[rows, counts - 1]
    first = values[:, 0] if whole else values[rows, present.argmax(axis=1)]
    last = values[:, -1] if whole else values[rows, newest - present[:, ::-1].argmax(axis=1)]
    with np.errstate(invalid="ignore", over="ignore"):
        sums = values.sum(axis=1) if whole else values.sum(axis=1, where=present)
        means = np.clip(sums / counts, least, most)  # a sum is rounded: that of equal values as well
        deviations = values - means[:, np.newaxis]
        deviations *= deviations
        squares = deviations.sum(axis=1) if whole else deviations.sum(axis=1, where=present)
        deviation = np.sqrt(squares / counts)
        columns = [counts, first, last, means, least, most, deviation]
        columns += list(_percentiles(ordered, counts))
    for column, each in enumerate(columns):
        numbers[:, column] = each


def _percentiles(ordered: Floats, counts: Integers) -> Floats:
    """Return a row for each of the `PERCENTILES`, with that of each series."""
    ranks = np.array(list(PERCENTILES.values()))[:, np.newaxis] * (counts - 1)
    lower = ranks.astype(np.intp)
    upper = np.minimum(lower + 1, counts - 1)
    rows = np.arange(len(ordered))
    low, high, weight = ordered[rows, lower], ordered[rows, upper], ranks - lower
    between: Floats = np.where((low == high) | (weight == 0), low, low * (1 - weight) + high * weight)
    return between
