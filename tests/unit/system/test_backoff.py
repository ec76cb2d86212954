"""Pauses between tries."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.system.backoff import Backoff

backoffs = st.builds(
    lambda first, factor: Backoff(first, first * factor), st.floats(0.001, 10.0), st.floats(1.0, 1e4)
)
jitters = st.floats(0.0, 1.0, exclude_max=True)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0.0), (1, 1.0), (2, 2.0), (5, 16.0), (6, 30.0), (10**9, 30.0)]
)
def test_pauses_double_up_to_the_longest(failures: int, seconds: float) -> None:
    assert Backoff(1.0, 30.0).seconds(failures) == seconds


@given(backoffs, st.lists(jitters, min_size=2, max_size=80))
def test_no_pause_is_shorter_than_the_one_before_it(backoff: Backoff, jitter: list[float]) -> None:
    pauses = [backoff.seconds(failures, each) for failures, each in enumerate(jitter, 1)]
    assert all(before <= after for before, after in pairwise(pauses))


@given(backoffs, st.integers(1, 10**6), jitters)
def test_a_pause_lies_between_the_first_and_the_longest(
    backoff: Backoff, failures: int, jitter: float
) -> None:
    assert backoff.first <= backoff.seconds(failures, jitter) <= backoff.longest


@given(backoffs, st.integers(1, 40), jitters)
def test_jitter_lengthens_by_less_than_double(backoff: Backoff, failures: int, jitter: float) -> None:
    exact = backoff.seconds(failures)
    assert exact <= backoff.seconds(failures, jitter) <= 2 * exact
