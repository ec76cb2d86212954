"""Quantiles: against a brute-force oracle, and against the observations themselves."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.kpis.quantile import bucket_quantile

BOUNDS = st.lists(st.integers(1, 10**6).map(lambda n: n / 1000), min_size=1, max_size=12, unique=True).map(
    sorted
)
Q = st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 0.999])


def histogram(bounds: list[float], observations: list[float]) -> dict[float, float]:
    return {bound: float(sum(value <= bound for value in observations)) for bound in (*bounds, math.inf)}


def brute_force(q: float, buckets: dict[float, float]) -> float:
    """Bisect the piecewise linear distribution function for the lowest x that reaches q."""
    edges = [0.0, *sorted(buckets)]
    counts = [0.0, *(buckets[bound] for bound in edges[1:])]

    def below(x: float) -> float:
        for (low, high), (before, after) in zip(pairwise(edges), pairwise(counts), strict=True):
            if x <= high:
                return before + (after - before) * (x - low) / (high - low)
        raise AssertionError

    low, high = 0.0, edges[-2]
    if below(high) < q * counts[-1]:
        return high
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (low, middle) if below(middle) >= q * counts[-1] else (middle, high)
    return high


@settings(deadline=None)
@given(bounds=BOUNDS, observations=st.lists(st.floats(0.0001, 1500), min_size=1), q=Q)
def test_it_is_the_brute_force_quantile_and_its_bucket_holds_the_true_one(
    bounds: list[float], observations: list[float], q: float
) -> None:
    buckets = histogram(bounds, observations)
    found = bucket_quantile(q, buckets)
    assert found is not None
    assert found.value == pytest.approx(brute_force(q, buckets), rel=1e-9)
    rank = q * len(observations)
    truth = sorted(observations)[max(0, math.ceil(rank - 1e-9) - 1)]
    assert found.low <= truth <= found.high
    assert found.low <= found.value <= found.high


def test_an_interpolated_value_by_hand() -> None:
    found = bucket_quantile(0.9, {0.1: 50, 0.2: 80, 0.4: 100, math.inf: 100})
    assert found == pytest.approx((0.3, 0.2, 0.4))


def test_rounding_does_not_carry_it_past_its_bucket() -> None:
    assert bucket_quantile(0.5, {0.12: 0, 1.602: 1, math.inf: 2}) == (1.602, 0.12, 1.602)


def test_above_all_bounds_it_is_the_highest_bound_and_open_ended() -> None:
    assert bucket_quantile(0.99, {1.0: 10, math.inf: 100}) == (1.0, 1.0, math.inf)


def test_a_first_bucket_at_or_below_zero_is_not_interpolated() -> None:
    assert bucket_quantile(0.1, {-1.0: 10, math.inf: 10}) == (-1.0, -math.inf, -1.0)


def test_counts_that_fall_are_raised_to_the_one_before() -> None:
    falling = {1.0: 60.0, 2.0: 59.9, 3.0: 100.0, math.inf: 100.0}
    assert bucket_quantile(0.8, falling) == bucket_quantile(0.8, falling | {2.0: 60.0})


@pytest.mark.parametrize(
    "buckets",
    [{}, {math.inf: 5}, {1.0: 5, 2.0: 5}, {1.0: 0, math.inf: 0}, {1.0: math.nan, math.inf: 2}],
)
def test_where_it_is_undefined_there_is_none(buckets: dict[float, float]) -> None:
    assert bucket_quantile(0.5, buckets) is None
