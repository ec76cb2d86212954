"""Bounds of quantiles: the truth lies inside of them, whatever was seen of the window's edges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from monitord.kpis.readings.quantile_bounds import Between, quantile_between

BOUNDS = (0.1, 0.25, 0.5, 1.0, math.inf)


def between(q: float, low: Sequence[float], high: Sequence[float]) -> Between:
    """Return the bounds of a quantile of one histogram, of which cumulative counts have bounds."""
    above = [
        [max(0.0, counts[-1] - count) if math.isfinite(counts[-1]) else math.inf for count in counts]
        for counts in (low, high)
    ]
    return quantile_between(q, BOUNDS, (low, high), (above[0], above[1]))


COUNTS = st.lists(st.integers(0, 50), min_size=len(BOUNDS), max_size=len(BOUNDS))


@given(COUNTS, COUNTS, COUNTS, st.sampled_from([0.01, 0.5, 0.9, 0.99]))
def test_the_true_bucket_lies_inside(
    certain: list[int], here: list[int], outside: list[int], q: float
) -> None:
    """Of the observations at the edges some were in the window and others were not."""
    low = list(accumulate(certain))
    truth = list(accumulate(a + b for a, b in zip(certain, here, strict=True)))
    high = list(accumulate(a + b + c for a, b, c in zip(certain, here, outside, strict=True)))
    found = between(q, low, high)
    if truth[-1]:
        rank = math.ceil(q * truth[-1])
        of = next(bound for bound, count in zip(BOUNDS, truth, strict=True) if count >= rank)
        below = next((b for b in reversed(BOUNDS) if b < of), -math.inf)
        assert found.low <= below
        assert of <= found.high


def test_exact_counts_give_the_very_bucket() -> None:
    counts = [10.0, 60.0, 90.0, 99.0, 100.0]
    assert between(0.5, counts, counts) == (0.1, 0.25)
    assert between(0.99, counts, counts) == (0.5, 1.0)
    assert between(0.999, counts, counts) == (1.0, math.inf)


def test_nothing_is_certain_without_observations_or_without_an_upper_bound() -> None:
    zeros = [0.0] * 5
    assert between(0.5, zeros, zeros) == (-math.inf, math.inf)
    assert between(0.5, zeros, [math.inf] * 5) == (-math.inf, math.inf)
