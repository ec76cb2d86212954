"""Whether a number is better, worse or the same in a second group of runs, or undecided. Pure.

The true value of each run lies anywhere within its bounds. A difference counts only if it is significant
wherever the true values lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from monitord.artifacts.ranks import ALPHA, RankTest, mann_whitney, p_without_ties

Better = Literal["lower", "higher"]
Verdict = Literal["better", "worse", "same", "undecided"]


@dataclass(frozen=True, slots=True)
class Measured:
    """The number of one run, and the bounds of its true value where they are known.

    `remark` is its status and reason, empty when it is simply `ok`.
    """

    value: float | None
    bounds: tuple[float, float] | None = None
    remark: str = ""

    @property
    def is_known(self) -> bool:
        return self.value is not None and not math.isnan(self.value)


@dataclass(frozen=True, slots=True)
class Sample:
    """A number in each run of a group.

    `values` and `bounds` are those of the runs that have it; the others are `missing`. `remarks` are those
    of all runs.
    """

    values: tuple[float, ...]
    missing: int
    bounds: tuple[tuple[float, float] | None, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def median(self) -> float | None:
        return median(self.values) if self.values else None

    @property
    def has_bounds(self) -> bool:
        return any(self.bounds)

    @property
    def lows(self) -> tuple[float, ...]:
        """The lower bound of each value, or the value where it has none."""
        return tuple(pair[0] if pair else value for value, pair in self._pairs)

    @property
    def highs(self) -> tuple[float, ...]:
        return tuple(pair[1] if pair else value for value, pair in self._pairs)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The bounds of the median: those of the runs' true values lie within the medians of their bounds."""
        return (median(self.lows), median(self.highs)) if self.values and self.has_bounds else None

    @property
    def _pairs(self) -> Sequence[tuple[float, tuple[float, float] | None]]:
        bounds = self.bounds or (None,) * len(self.values)
        return tuple(zip(self.values, bounds, strict=True))


def sample(measured: Sequence[Measured]) -> Sample:
    """Return what the runs of a group measured."""
    known = [each for each in measured if each.is_known]
    return Sample(
        tuple(each.value for each in known if each.value is not None),
        len(measured) - len(known),
        tuple(each.bounds for each in known),
        tuple(each.remark for each in measured),
    )


def percent_change(before: Sample, after: Sample) -> float | None:
    """Return by how many percent the median changed; infinite from 0, None when it is not known."""
    old, new = before.median, after.median
    if old is None or new is None:
        return None
    if new == old:
        return 0.0
    if math.isinf(old):
        return None
    return math.copysign(math.inf, new) if old == 0 else 100 * ((new - old) / abs(old))


def overlap(before: Sample, after: Sample) -> bool:
    """Return whether the medians may be equal, by their bounds. Numbers without any do not overlap."""
    first, second = before.interval, after.interval
    if first is None and second is None:
        return False
    (low, high), (other_low, other_high) = first or _point(before), second or _point(after)
    is_exact = low == high and other_low == other_high
    return not is_exact and low <= other_high and other_low <= high


def separation(before: Sample, after: Sample) -> RankTest:
    """Test whether the two groups, which must have values, differ in the direction of their medians.

    With bounds, U is that of the ends that are nearest to the other group, and p is at least that of any
    true values within the bounds, if these are all different. p is 1 where U points to the other direction
    than the medians.
    """
    test = mann_whitney(before.values, after.values)
    sizes = len(before.values), len(after.values)
    rise = median(after.values) - median(before.values)
    if rise == 0 or math.isnan(rise):
        return test
    ends = test
    if before.has_bounds or after.has_bounds:
        nearest = (before.highs, after.lows) if rise > 0 else (before.lows, after.highs)
        ends = mann_whitney(*nearest)
    beyond_mean = (ends.u - sizes[0] * sizes[1] / 2) * rise  # negative: U and the medians agree
    if beyond_mean >= 0:
        return RankTest(ends.u, 1.0, test.least_p)
    if ends is test:
        return test
    return RankTest(ends.u, max(test.p, ends.p, p_without_ties(ends.u, *sizes)), test.least_p)


def decide(
    change: float | None,
    p: float | None,
    better: Better | None,
    limit: float | None = None,
    *,
    may_be_equal: bool = False,
) -> Verdict | None:
    """Return the verdict on a change in percent.

    `p` is corrected if the row is one of several that are gated; `limit` is by how many percent a gated row
    may change, and `may_be_equal` says that the bounds overlap. None when there is no change to judge, or no
    direction is better.
    """
    if change is None or p is None or better is None:
        return None
    if may_be_equal:
        return "undecided"
    is_beyond = exceeds(change, limit or 0.0)
    if change != 0 and p <= ALPHA:
        if (change < 0) == (better == "lower"):
            return "better"
        return "worse" if is_beyond else "same"
    return "undecided" if is_beyond else "same"


def exceeds(change: float, limit: float) -> bool:
    """Return whether a change is beyond a limit, both in percent."""
    # A change of just 7 % may come out as 7.000000000000001.
    return abs(change) > limit and not math.isclose(abs(change), limit)


def _point(one: Sample) -> tuple[float, float]:
    middle = one.median
    return (math.nan, math.nan) if middle is None else (middle, middle)
