"""Native histograms merged and their quantiles: buckets that know both of their bounds. Pure.

Histograms of different resolution are merged to what all of them know: buckets that overlap become
one. The bounds of a coarser resolution are among those of a finer one, so that nothing is wider for
it than the coarsest.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise

from monitord.kpis.quantile import Quantile
from monitord.prometheus.api.series import Bucket


def spread(cumulative: Mapping[float, float]) -> list[Bucket]:
    """Return a classic histogram's buckets, given as cumulative counts by upper bound.

    Below the first bound observations are taken to begin at 0, as `bucket_quantile` does.
    """
    bounds = sorted(cumulative)
    counts = [0.0, *accumulate((cumulative[bound] for bound in bounds), max)]
    lows = [0.0 if bounds and bounds[0] > 0 else -math.inf, *bounds]
    buckets = (
        Bucket(low, high, after - before)
        for low, high, (before, after) in zip(lows, bounds, pairwise(counts), strict=False)
    )
    return [bucket for bucket in buckets if bucket.observations > 0]


def merge_native(histograms: Iterable[Sequence[Bucket]]) -> tuple[list[Bucket], bool]:
    """Return the buckets of all histograms, none overlapping, and whether some had to become one."""
    counts: dict[tuple[float, float], float] = defaultdict(float)
    for buckets in histograms:
        for bucket in buckets:
            if bucket.observations > 0:
                counts[bucket.low, bucket.high] += bucket.observations
    merged: list[Bucket] = []
    for low, high in sorted(counts):
        bucket = Bucket(low, high, counts[low, high])
        if merged and low < merged[-1].high:
            last = merged.pop()
            bucket = Bucket(last.low, max(last.high, high), last.observations + bucket.observations)
        merged.append(bucket)
    return merged, len(merged) < len(counts)


def native_quantile(q: float, buckets: Sequence[Bucket]) -> Quantile | None:
    """Return the q-quantile (0 < q < 1) of buckets as merged, linear inside its bucket; None of nothing.

    A bucket around zero begins at 0 where nothing was observed below it.
    """
    counts = list(accumulate(bucket.observations for bucket in buckets))
    if not counts or math.isnan(counts[-1]):
        return None
    rank = q * counts[-1]
    index = next((i for i, count in enumerate(counts) if count >= rank), len(counts) - 1)
    low, high, count = buckets[index]
    if index == 0 and low < 0 < high and not math.isinf(low):
        low = 0.0
    if math.isinf(high):
        return Quantile(low, low, high)
    if math.isinf(low):
        return Quantile(high, low, high)
    share = (rank - (counts[index] - count)) / count
    return Quantile(min(max(low + (high - low) * share, low), high), low, high)
