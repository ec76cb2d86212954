"""Native histograms: merged and read, their buckets hold what was observed."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitord.kpis.native import merge_native, native_quantile, spread

from monitord.kpis.quantile import bucket_quantile
from monitord.prometheus.api.series import Bucket
from tests.fakes.native import bucket_of

Q = st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 0.999])
OBSERVATIONS = st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=40)


def native(observations: list[float], schema: int) -> list[Bucket]:
    counts = Counter(bucket_of(value, schema) for value in observations)
    base = 2.0 ** (2.0**-schema)
    return [Bucket(base ** (index - 1), base**index, float(counts[index])) for index in sorted(counts)]


def true_quantile(q: float, observations: list[float]) -> float:
    return sorted(observations)[max(0, math.ceil(q * len(observations) - 1e-9) - 1)]


@settings(deadline=None)
@given(parts=st.lists(st.tuples(OBSERVATIONS, st.integers(-1, 3)), min_size=1, max_size=4), q=Q)
def test_the_bucket_holds_the_true_quantile_whatever_was_merged(
    parts: list[tuple[list[float], int]], q: float
) -> None:
    merged, _ = merge_native(native(*part) for part in parts)
    everything = [value for observations, _ in parts for value in observations]
    assert sum(bucket.observations for bucket in merged) == len(everything)
    assert all(below.high <= above.low for below, above in pairwise(merged))
    found = native_quantile(q, merged)
    assert found is not None
    assert found.low <= found.value <= found.high
    truth = true_quantile(q, everything)
    assert found.low * (1 - 1e-9) <= truth <= found.high * (1 + 1e-9)


@given(first=OBSERVATIONS, second=OBSERVATIONS, schema=st.integers(0, 3))
def test_one_resolution_merges_without_a_loss(first: list[float], second: list[float], schema: int) -> None:
    merged, mixed = merge_native([native(first, schema), native(second, schema)])
    assert merged == native(first + second, schema)
    assert not mixed


def test_a_coarser_resolution_takes_in_the_finer_one() -> None:
    coarse, fine = [Bucket(1, 4, 3)], [Bucket(0.5, 1, 2), Bucket(1, 2, 5), Bucket(2, 4, 1), Bucket(4, 8, 1)]
    assert merge_native([coarse, fine]) == ([(0.5, 1, 2), (1, 4, 9), (4, 8, 1)], True)
    assert merge_native([]) == ([], False)


@given(
    counts=st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any),
    q=Q,
)
def test_a_classic_histogram_in_buckets_has_the_same_quantiles(counts: list[int], q: float) -> None:
    bounds = [*map(float, range(1, len(counts))), math.inf]
    cumulative = {bound: float(sum(counts[: i + 1])) for i, bound in enumerate(bounds)}
    expected, found = bucket_quantile(q, cumulative), native_quantile(q, spread(cumulative))
    assert found == pytest.approx(expected)


def test_a_bucket_around_zero_begins_there_unless_something_is_below() -> None:
    zero = Bucket(-0.001, 0.001, 10)
    assert native_quantile(0.5, [zero]) == pytest.approx((0.0005, 0, 0.001))
    assert native_quantile(0.9, [Bucket(-2, -1, 1), zero]) == pytest.approx((0.00078, -0.001, 0.001))


def test_without_an_end_it_is_the_bound_there_is() -> None:
    assert native_quantile(0.9, [Bucket(1, math.inf, 1)]) == (1, 1, math.inf)
    assert native_quantile(0.1, [Bucket(-math.inf, -1, 1)]) == (-1, -math.inf, -1)


def test_of_nothing_or_what_is_no_number_there_is_none() -> None:
    assert native_quantile(0.5, []) is None
    assert native_quantile(0.5, [Bucket(1, 2, math.nan)]) is None
