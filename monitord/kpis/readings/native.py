"""Native histograms as tables of cumulative counts, so that they are measured as classic ones are. Pure.

Each sample of a native histogram is count, sum and buckets together, and each bucket has both of its
bounds. Buckets of different resolution are merged to what all samples know: buckets that overlap become
one. The bounds of a coarser resolution are among those of a finer one, so that nothing is wider for it than
the coarsest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from monitord.kpis.readings.buckets import Layout
from monitord.kpis.readings.increase import Floats
from monitord.kpis.readings.target_samples import Metric, TargetSamples, place
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.prometheus.api.sample_block import HistogramSeries


@dataclass(frozen=True, slots=True)
class NativeTable:
    """The native histograms of a metric: their counts and sums as counters at the successful scrapes, and
    `cumulative` counts [histogram x bound x scrape] at the bounds of the layout.
    """

    layout: Layout
    counts: Metric
    sums: Metric
    cumulative: Floats


def native_tables(
    target: TargetSamples, series: Sequence[HistogramSeries]
) -> Iterator[tuple[str, NativeTable]]:
    """Yield the native histograms of each GPU, and those of none together, with the value of their label."""
    by_gpu: dict[str, list[HistogramSeries]] = {}
    for each in series:
        by_gpu.setdefault(each.labels.get("gpu", ""), []).append(each)
    for gpu, found in by_gpu.items():
        yield gpu, _table(target, found)


def _table(target: TargetSamples, series: Sequence[HistogramSeries]) -> NativeTable:
    times, up = target.scrapes.times, target.scrapes.up
    buckets = merge_bounds(
        (float(low), float(high))
        for each in series
        for sample in each.samples
        for _, low, high, _ in sample.buckets
    )
    if buckets and buckets[0][0] < 0 < buckets[0][1]:
        buckets[0] = (0.0, buckets[0][1])  # the one around zero, with nothing observed below
    # Below the first bucket nothing was observed, and above the last one nothing either.
    layout = tuple(dict.fromkeys((*(bound for bucket in buckets for bound in bucket), math.inf)))
    highs = np.array([high for _, high in buckets])
    counts, sums = np.full((2, len(series), len(times)), np.nan)
    cumulative = np.full((len(series), len(layout), len(times)), np.nan)
    for row, each in enumerate(series):
        place(counts[row], times, each.times, np.array([float(sample.count) for sample in each.samples]))
        place(sums[row], times, each.times, np.array([float(sample.sum) for sample in each.samples]))
        table = np.array([_cumulative(sample, layout, highs, buckets) for sample in each.samples]).T
        for bound, values in enumerate(table):
            place(cumulative[row, bound], times, each.times, values)
    labels = [each.labels for each in series]
    return NativeTable(layout, Metric(labels, counts[:, up]), Metric(labels, sums[:, up]), cumulative)


def _cumulative(
    sample: RawHistogram, layout: Layout, highs: Floats, buckets: Sequence[tuple[float, float]]
) -> Floats:
    of_bucket = np.zeros(len(buckets))
    for _, _, high, count in sample.buckets:
        of_bucket[min(int(np.searchsorted(highs, float(high))), len(highs) - 1)] += float(count)
    at = np.searchsorted(highs, layout, side="right")
    found = np.concatenate([[0.0], np.cumsum(of_bucket)])[at]
    found[-1] = float(sample.count)
    return found


def merge_bounds(buckets: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return buckets (lower, upper bound) without overlap, in order: those that overlap become one."""
    merged: list[tuple[float, float]] = []
    for low, high in sorted(set(buckets)):
        if merged and low < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged
