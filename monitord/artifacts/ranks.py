"""The Mann-Whitney U test, exact: whether two groups of runs differ significantly. Pure.

It assumes no distribution. `p` is the share of all equally likely assignments of the ranks to the two
groups in which U is at least as far from its mean as it is here. Equal values share the mean of their ranks.
Several tests at once are corrected by Holm's method, very many by the rate of false discoveries among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb

NAME = "Mann-Whitney U, exact, two-sided"
LARGEST_GROUP = 20  # the work grows with the fourth power
ALPHA = 0.05
"""A difference is significant at this p or less."""


@dataclass(frozen=True, slots=True)
class RankTest:
    """U of the first group, its p, and the least p that groups of this size can have."""

    u: float
    p: float
    least_p: float


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """Compare two groups, each of 1 to `LARGEST_GROUP` numbers, none of them NaN."""
    if not 1 <= len(first) <= LARGEST_GROUP or not 1 <= len(second) <= LARGEST_GROUP:
        raise ValueError(f"each group must have 1 to {LARGEST_GROUP} values")
    ranks = _doubled_ranks([*first, *second])
    size = len(first)
    found = sum(ranks[:size])
    p, least_p = _tail(tuple(sorted(ranks)), size, found)
    return RankTest((found - size * (size + 1)) / 2, p, least_p)


def p_without_ties(u: float, size: int, others: int) -> float:
    """Return p of a U if all values were different."""
    return _tail(tuple(range(2, 2 * (size + others) + 1, 2)), size, round(2 * u) + size * (size + 1))[0]


def holm(ps: Sequence[float]) -> list[float]:
    """Return each p corrected for the number of tests, by Holm's step-down method."""
    adjusted, least = [1.0] * len(ps), 0.0
    for passed, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - passed) * ps[place]))
        adjusted[place] = least
    return adjusted


def benjamini_hochberg(ps: Sequence[float]) -> list[float]:
    """Return the q of each p: the least false-discovery rate at which it is significant."""
    adjusted, least = [1.0] * len(ps), 1.0
    order = sorted(range(len(ps)), key=ps.__getitem__)
    for rank in range(len(ps), 0, -1):
        place = order[rank - 1]
        least = min(least, ps[place] * len(ps) / rank)
        adjusted[place] = least
    return adjusted


def repeats_needed(tests: int) -> int | None:
    """Return how many repeats on each side make a significant difference possible in one of so many tests.

    It is enough at best: if the repeats do not overlap. None when not even the largest groups could do.
    """
    sizes = range(1, LARGEST_GROUP + 1)
    return next((size for size in sizes if tests * 2 / comb(2 * size, size) <= ALPHA), None)


def _tail(ranks: tuple[int, ...], size: int, found: int) -> tuple[float, float]:
    """Return p of a sum of doubled ranks, and the least p that a sum can have."""
    ways = _ways(ranks, size)
    mean = size * (len(ranks) + 1)  # of the doubled rank sums
    distances: Counter[int] = Counter()
    for total, count in ways.items():
        distances[abs(total - mean)] += count
    every = comb(len(ranks), size)
    as_far = sum(count for distance, count in distances.items() if distance >= abs(found - mean))
    return as_far / every, distances[max(distances)] / every


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
