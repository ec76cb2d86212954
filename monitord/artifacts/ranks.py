"""The Mann-Whitney U test, exact: whether two groups of runs differ significantly. Pure.

It assumes no distribution. `p` is the share of all equally likely assignments of the ranks to the two
groups in which U is at least as far from its mean as it is here. Equal values share the mean of their ranks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb

NAME = "Mann-Whitney U, exact, two-sided"
LARGEST_GROUP = 20  # the work grows with the fourth power


@dataclass(frozen=True, slots=True)
class RankTest:
    """U of the first group, its p, and the least p that groups of this size can have."""

    u: float
    p: float
    least_p: float

    @property
    def is_significant(self) -> bool:
        """Return whether the groups differ at the 5 % level, or as far as so few values can show."""
        return self.p <= max(0.05, self.least_p)


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """Compare two groups, each of 1 to `LARGEST_GROUP` numbers, none of them NaN."""
    if not 1 <= len(first) <= LARGEST_GROUP or not 1 <= len(second) <= LARGEST_GROUP:
        raise ValueError(f"each group must have 1 to {LARGEST_GROUP} values")
    ranks = _doubled_ranks([*first, *second])
    size, others = len(first), len(second)
    found = sum(ranks[:size])
    ways = _ways(tuple(sorted(ranks)), size)
    mean = size * (size + others + 1)  # of the doubled rank sums
    distances: Counter[int] = Counter()
    for total, count in ways.items():
        distances[abs(total - mean)] += count
    every = comb(size + others, size)
    as_far = sum(count for distance, count in distances.items() if distance >= abs(found - mean))
    furthest = distances[max(distances)]
    return RankTest((found - size * (size + 1)) / 2, as_far / every, furthest / every)


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Return twice the rank of each value, a whole number also where ranks are shared."""
    counts = Counter(values)
    ranks, below = {}, 0
    for value in sorted(counts):
        ranks[value] = 2 * below + counts[value] + 1
        below += counts[value]
    return [ranks[value] for value in values]


@lru_cache(maxsize=64)
def _ways(ranks: tuple[int, ...], size: int) -> Counter[int]:
    """Return how many of the choices of `size` ranks have which sum."""
    chosen: list[Counter[int]] = [Counter({0: 1}), *(Counter[int]() for _ in range(size))]
    for rank in ranks:
        for taken in range(size, 0, -1):
            for total, count in chosen[taken - 1].items():
                chosen[taken][total + rank] += count
    return chosen[size]
