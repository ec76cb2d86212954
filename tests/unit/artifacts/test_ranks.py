"""The rank test against every way in which the values could have fallen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.artifacts.ranks import (
    ALPHA,
    LARGEST_GROUP,
    benjamini_hochberg,
    holm,
    mann_whitney,
    p_without_ties,
    repeats_needed,
)

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


def test_p_without_ties_is_that_of_different_values() -> None:
    for first, second in (([1, 2, 3], [4, 5, 6]), ([1, 5, 7, 8], [2, 3, 9]), ([1], [2])):
        found = mann_whitney(first, second)
        assert p_without_ties(found.u, len(first), len(second)) == found.p


PS = st.lists(st.floats(0, 1), max_size=8)


def by_definition(ps: Sequence[float], level: float) -> set[int]:
    """Return what Holm's method rejects: from the smallest p on, until one is above level/(m - passed)."""
    rejected: set[int] = set()
    for passed, place in enumerate(sorted(range(len(ps)), key=lambda place: ps[place])):
        if ps[place] * (len(ps) - passed) > level:
            break
        rejected.add(place)
    return rejected


@given(ps=PS, level=st.floats(0, 0.99))
def test_holm_rejects_by_its_definition(ps: list[float], level: float) -> None:
    rejected = {place for place, p in enumerate(holm(ps)) if p <= level}
    assert rejected == by_definition(ps, level)


@given(ps=PS)
def test_holm_rejects_less_than_no_correction_and_more_than_bonferroni(ps: list[float]) -> None:
    for p, adjusted in zip(ps, holm(ps), strict=True):
        assert p <= adjusted <= min(1.0, len(ps) * p)


@given(ps=PS.filter(bool), less=st.floats(0, 1), place=st.integers(0, 7))
def test_holm_is_monotone(ps: list[float], less: float, place: int) -> None:
    place %= len(ps)
    smaller = [p * less if n == place else p for n, p in enumerate(ps)]
    assert all(new <= old for new, old in zip(holm(smaller), holm(ps), strict=True))
    ordered = sorted(zip(ps, holm(ps), strict=True))
    assert [adjusted for _, adjusted in ordered] == sorted(adjusted for _, adjusted in ordered)


def test_holm_of_known_values() -> None:
    """As R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") gives them."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(
    ("tests", "repeats"), [(1, 4), (2, 5), (3, 5), (6, 5), (7, 6), (50, 7), (10**12, None)]
)
def test_repeats_needed(tests: int, repeats: int | None) -> None:
    assert repeats_needed(tests) == repeats
    if repeats:
        for size, enough in ((repeats - 1, False), (repeats, True)):
            p = mann_whitney(range(size), range(size, 2 * size)).p
            assert (holm([p] * tests)[0] <= ALPHA) == enough


def test_the_largest_groups() -> None:
    first, second = range(LARGEST_GROUP), range(LARGEST_GROUP, 2 * LARGEST_GROUP)
    found = mann_whitney(list(first), list(second))
    assert found.p == found.least_p > 0
    with pytest.raises(ValueError, match="1 to 20 values"):
        mann_whitney([*first, 99.0], list(second))
    with pytest.raises(ValueError, match="1 to 20 values"):
        mann_whitney([], [1.0])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_q_is_the_least_rate_of_false_discoveries_that_takes_a_p_in(ps: list[float]) -> None:
    qs = benjamini_hochberg(ps)
    for p, q in zip(ps, qs, strict=True):
        rates = [min(1.0, len(ps) * each / sum(other <= each for other in ps)) for each in ps if each >= p]
        assert q == pytest.approx(min(rates))


def test_q_as_r_gives_it() -> None:
    # p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.5), "BH")
    assert benjamini_hochberg([0.03, 0.01, 0.5, 0.02, 0.04]) == pytest.approx([0.05, 0.05, 0.5, 0.05, 0.05])
