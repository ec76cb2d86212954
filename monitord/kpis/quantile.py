"""Quantiles of bucketed histograms, by the rules of Prometheus's `histogram_quantile`.

The bounds of the bucket come with the value, because they are
all that is really known: the true quantile lies between them, and the value is an interpolation that
takes observations to be spread evenly inside the bucket.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple


class Quantile(NamedTuple):
    """A quantile and the bounds of its bucket; `high` is infinite when it lies above all bounds."""

    value: float
    low: float
    high: float


def bucket_quantile(q: float, buckets: Mapping[float, float]) -> Quantile | None:
    """Return the q-quantile (0 < q < 1) of cumulative counts by upper bound.

    None when it is undefined: no observation, no +Inf bucket, no other bucket, or a count that is
    not a number.
    """
    bounds = sorted(buckets)
    # Increases are extrapolated bucket by bucket, so a count may come out below the one before it.
    counts = list(accumulate((buckets[bound] for bound in bounds), max))
    if len(bounds) < 2 or bounds[-1] != math.inf or any(map(math.isnan, buckets.values())):
        return None
    if counts[-1] <= 0:
        return None
    rank = q * counts[-1]
    index = next((i for i, count in enumerate(counts[:-1]) if count >= rank), len(bounds) - 1)
    if index == len(bounds) - 1:
        return Quantile(bounds[-2], bounds[-2], math.inf)
    high, count = bounds[index], counts[index]
    if index == 0:
        return _in_first_bucket(rank / count, high)
    low, below = bounds[index - 1], counts[index - 1]
    value = low + (high - low) * ((rank - below) / (count - below))
    return Quantile(min(value, high), low, high)  # rounding may carry it past the bound


def _in_first_bucket(share: float, high: float) -> Quantile:
    """Interpolate from 0, where observations are taken to begin; below 0 nothing can be."""
    return Quantile(high * share, 0.0, high) if high > 0 else Quantile(high, -math.inf, high)
