"""The rank test against every way in which the values could have fallen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.artifacts.ranks import LARGEST_GROUP, mann_whitney

GROUP = st.lists(st.integers(0, 6), min_size=1, max_size=5)


def u_of(first: Sequence[float], second: Sequence[float]) -> float:
    """Return U by its definition: the pairs that the first group wins, a draw counting half."""
    return sum(1.0 if a > b else 0.5 if a == b else 0.0 for a in first for b in second)


def by_brute_force(first: Sequence[float], second: Sequence[float]) -> float:
    pooled, mean = [*first, *second], len(first) * len(second) / 2
    distances = []
    for places in combinations(range(len(pooled)), len(first)):
        chosen = [pooled[place] for place in places]
        rest = [value for place, value in enumerate(pooled) if place not in places]
        distances.append(abs(u_of(chosen, rest) - mean))
    found = abs(u_of(first, second) - mean)
    return sum(distance >= found for distance in distances) / len(distances)


@given(first=GROUP, second=GROUP)
def test_u_and_p_are_those_of_every_rearrangement(first: list[int], second: list[int]) -> None:
    found = mann_whitney(first, second)
    assert found.u == u_of(first, second)
    assert found.p == pytest.approx(by_brute_force(first, second), rel=1e-12)
    assert found.least_p <= found.p <= 1


@given(first=GROUP, second=GROUP)
def test_it_is_the_same_from_both_sides(first: list[int], second: list[int]) -> None:
    there, back = mann_whitney(first, second), mann_whitney(second, first)
    assert there.p == back.p
    assert there.u + back.u == len(first) * len(second)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        ([1, 2, 3], [4, 5, 6], 0.1),  # as R's wilcox.test(1:3, 4:6) says
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),
        ([1], [2], 1.0),
        ([5, 5, 5], [5, 5, 5], 1.0),
    ],
)
def test_known_values(first: list[float], second: list[float], p: float) -> None:
    assert mann_whitney(first, second).p == pytest.approx(p)


def test_three_against_three_tell_apart_only_what_does_not_overlap() -> None:
    assert mann_whitney([1, 2, 3], [4, 5, 6]).is_significant
    assert not mann_whitney([1, 2, 4], [3, 5, 6]).is_significant


def test_the_largest_groups() -> None:
    first, second = range(LARGEST_GROUP), range(LARGEST_GROUP, 2 * LARGEST_GROUP)
    found = mann_whitney(list(first), list(second))
    assert found.p == found.least_p > 0
    with pytest.raises(ValueError, match="1 to 20 values"):
        mann_whitney([*first, 99.0], list(second))
    with pytest.raises(ValueError, match="1 to 20 values"):
        mann_whitney([], [1.0])
