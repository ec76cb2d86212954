"""PromQL's functions over the samples of one series in a range, as Prometheus computes them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

EXTRAPOLATION_THRESHOLD = 1.1  # average intervals: an edge that is further away is not the scrape's


@dataclass(frozen=True, slots=True)
class Stretch:
    """The samples of a series from `start` to `end`, times in milliseconds; there is at least one.

    `old_limit` says that the server limits extrapolation to zero as versions before 2.52 do.
    """

    start: int
    end: int
    times: Sequence[int]
    values: Sequence[float]
    old_limit: bool = False


def increase(stretch: Stretch) -> float | None:
    """Return the reset-aware increase, extrapolated to the edges of the range that are near."""
    if len(stretch.times) < 2:
        return None
    raw = stretch.values[-1] - stretch.values[0]
    raw += sum(before for before, after in pairwise(stretch.values) if after < before)
    sampled = stretch.times[-1] - stretch.times[0]
    return raw * (sampled + _before(stretch, raw) + _after(stretch)) / sampled


def rate(stretch: Stretch) -> float | None:
    """Return the increase per second of the range."""
    found = increase(stretch)
    return None if found is None else found / ((stretch.end - stretch.start) / 1000)


def resets(stretch: Stretch) -> float:
    """Return how often the value went down."""
    return float(sum(after < before for before, after in pairwise(stretch.values)))


FUNCTIONS: Mapping[str, Callable[[Stretch], float | None]] = {
    "count_over_time": lambda stretch: float(len(stretch.values)),
    "sum_over_time": lambda stretch: total(stretch.values),
    "min_over_time": lambda stretch: lowest(stretch.values),
    "max_over_time": lambda stretch: highest(stretch.values),
    "last_over_time": lambda stretch: stretch.values[-1],
    "increase": increase,
    "rate": rate,
    "resets": resets,
}


def total(values: Sequence[float]) -> float:
    """Add up; infinities that cancel out are not a number."""
    try:
        return math.fsum(values)
    except (ValueError, OverflowError):
        return sum(values)


def lowest(values: Sequence[float]) -> float:
    """Return the least that is a number."""
    return min((value for value in values if not math.isnan(value)), default=math.nan)


def highest(values: Sequence[float]) -> float:
    """Return the greatest that is a number."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def _before(stretch: Stretch, raw: float) -> float:
    """Return by how many milliseconds the increase is extrapolated to the left."""
    gap, average = float(stretch.times[0] - stretch.start), _average(stretch)
    first, sampled = stretch.values[0], stretch.times[-1] - stretch.times[0]
    zero = sampled * (first / raw) if raw > 0 and first >= 0 else math.inf  # a counter is never below 0
    if stretch.old_limit:
        gap = min(gap, zero)
        return gap if gap < EXTRAPOLATION_THRESHOLD * average else average / 2
    return min(gap if gap < EXTRAPOLATION_THRESHOLD * average else average / 2, zero)


def _after(stretch: Stretch) -> float:
    gap, average = float(stretch.end - stretch.times[-1]), _average(stretch)
    return gap if gap < EXTRAPOLATION_THRESHOLD * average else average / 2


def _average(stretch: Stretch) -> float:
    return (stretch.times[-1] - stretch.times[0]) / (len(stretch.times) - 1)
