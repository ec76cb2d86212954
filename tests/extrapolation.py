"""What PromQL's `increase` says of a counter: its `extrapolatedRate`, as Prometheus computes it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from monitord.prometheus.api.version import Version

NEAR = 1.1  # average intervals: an edge that is nearer to a sample is extrapolated to
OF_FAR = 0.5  # average intervals: how far beyond a sample is extrapolated if the edge is not near


class Sample(NamedTuple):
    """A sample, its time in milliseconds."""

    time: int
    value: float


class Range(NamedTuple):
    """From when to when samples are selected, in milliseconds.

    `left_open` excludes a sample at the very start, as since 3.0; `old` that a counter is extrapolated to
    0 by more than half an interval, as before 2.52.
    """

    start: int
    end: int
    left_open: bool = False
    old: bool = False


def whole_range(start: float, end: float, version: Version) -> Range:
    """Return the range that selects a sample at either edge of a window, in a version of Prometheus."""
    left_open, end_ms = version >= Version(3, 0, 0), round(end * 1000)
    length = end_ms - round(start * 1000) + left_open
    return Range(end_ms - length, end_ms, left_open, old=version < Version(2, 52, 0))


def counted(samples: Sequence[Sample], over: Range) -> float | None:
    """Return what a counter grew from its first to its last sample in a range; None without two samples."""
    inside = _inside(samples, over)
    if len(inside) < 2:
        return None
    resets = sum(before.value for before, after in pairwise(inside) if after.value < before.value)
    return inside[-1].value - inside[0].value + resets


def increase(samples: Sequence[Sample], over: Range) -> float | None:
    """Return what PromQL's `increase` does: the growth, extrapolated to the edges that are near."""
    raw = counted(samples, over)
    if raw is None:
        return None
    inside = _inside(samples, over)
    first, last = inside[0], inside[-1]
    sampled = last.time - first.time
    average = sampled / (len(inside) - 1)

    def extrapolated(gap: float) -> float:
        return gap if gap < NEAR * average else OF_FAR * average

    to_zero = sampled * (first.value / raw) if raw > 0 and first.value >= 0 else float("inf")
    gap = float(first.time - over.start)
    before = extrapolated(min(gap, to_zero)) if over.old else min(extrapolated(gap), to_zero)
    return raw * (sampled + before + extrapolated(over.end - last.time)) / sampled


def _inside(samples: Sequence[Sample], over: Range) -> list[Sample]:
    start = over.start + over.left_open
    return [each for each in samples if start <= each.time <= over.end]
