"""Native histograms as tables: whatever their resolution, no observation is lost or moved."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.kpis.quantile import bucket_quantile
from monitord.kpis.readings.native import NativeTable, merge_bounds, native_tables
from monitord.kpis.readings.target_samples import Series, TargetSamples, target_samples
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.prometheus.api.sample_block import HistogramSeries
from tests.fakes.native import bucket_of

Q = st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 0.999])
OBSERVATIONS = st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=40)
TARGET = {"job": "web", "instance": "h:1"}


def native(observations: list[float], schema: int) -> RawHistogram:
    counts = Counter(bucket_of(value, schema) for value in observations)
    base = 2.0 ** (2.0**-schema)
    buckets = [(0, repr(base ** (i - 1)), repr(base**i), str(counts[i])) for i in sorted(counts)]
    return RawHistogram(str(len(observations)), repr(math.fsum(observations)), buckets)


def series(*samples: RawHistogram, **labels: str) -> HistogramSeries:
    times = np.array([1000 * number for number in range(1, len(samples) + 1)], np.int64)
    return HistogramSeries({"__name__": "h", **TARGET, **labels}, times, samples)


def target(*up: float) -> TargetSamples:
    times = np.array([1000 * number for number in range(1, len(up) + 1)], np.int64)
    found = target_samples([Series({"__name__": "up", **TARGET}, times, np.array(up))])
    assert found is not None
    return found


def table(*found: HistogramSeries, up: tuple[float, ...] = (1.0,)) -> NativeTable:
    ((gpu, made),) = native_tables(target(*up), found)
    assert gpu == ""
    return made


@settings(deadline=None)
@given(parts=st.lists(st.tuples(OBSERVATIONS, st.integers(-1, 3)), min_size=1, max_size=4), q=Q)
def test_the_bucket_holds_the_true_quantile_whatever_was_merged(
    parts: list[tuple[list[float], int]], q: float
) -> None:
    made = table(*(series(native(*part), n=str(number)) for number, part in enumerate(parts)))
    everything = sorted(value for observations, _ in parts for value in observations)
    counts = made.cumulative[:, :, 0]
    assert (np.diff(counts, axis=1) >= 0).all()
    assert made.layout == tuple(sorted(set(made.layout)))
    assert counts[:, -1].tolist() == [len(observations) for observations, _ in parts]
    found = bucket_quantile(q, dict(zip(made.layout, counts.sum(axis=0).tolist(), strict=True)))
    assert found is not None
    truth = everything[max(0, math.ceil(q * len(everything) - 1e-9) - 1)]
    assert found.low * (1 - 1e-9) <= truth <= found.high * (1 + 1e-9)


@given(first=OBSERVATIONS, second=OBSERVATIONS, schema=st.integers(0, 3))
def test_one_resolution_merges_without_a_loss(first: list[float], second: list[float], schema: int) -> None:
    both, all_in_one = native(first + second, schema), table(series(native(first + second, schema)))
    made = table(series(native(first, schema), n="0"), series(native(second, schema), n="1"))
    assert made.layout == all_in_one.layout
    assert made.cumulative.sum(axis=0).tolist() == all_in_one.cumulative[0].tolist()
    bounds = {float(bound) for _, low, high, _ in both.buckets for bound in (low, high)}
    assert set(made.layout) == bounds | {math.inf}


def test_counts_and_sums_are_counters_at_the_successful_scrapes() -> None:
    samples = [RawHistogram(str(n), str(n * 1.5), [(0, "1", "2", str(n))]) for n in (4, 6, 9)]
    made = table(series(*samples), up=(1.0, 0.0, 1.0))
    assert made.counts.values.tolist() == [[4, 9]]
    assert made.sums.values.tolist() == [[6, 13.5]]
    assert made.cumulative.tolist() == [[[0, 0, 0], [4, 6, 9], [4, 6, 9]]]
    assert made.layout == (1, 2, math.inf)


def test_a_histogram_of_nothing_yet_is_all_zeros_and_a_scrape_without_it_is_no_number() -> None:
    made = table(series(RawHistogram("0", "0", [])), up=(1.0, 1.0))
    assert made.layout == (math.inf,)
    assert made.counts.values[0, 0] == made.cumulative[0, 0, 0] == 0
    assert math.isnan(made.counts.values[0, 1])
    assert math.isnan(made.cumulative[0, 0, 1])


def test_each_gpu_has_a_table() -> None:
    one = RawHistogram("1", "1.5", [(0, "1", "2", "1")])
    tables = dict(native_tables(target(1.0), [series(one, gpu="0"), series(one, gpu="1"), series(one)]))
    assert list(tables) == ["0", "1", ""]
    assert all(made.counts.values.tolist() == [[1]] for made in tables.values())


def test_a_coarser_resolution_takes_in_the_finer_one() -> None:
    fine = [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0)]
    assert merge_bounds([(1.0, 4.0), *fine]) == [(0.5, 1.0), (1.0, 4.0), (4.0, 8.0)]
    assert merge_bounds([]) == []


BUCKETS = st.tuples(st.floats(-100, 100), st.floats(0.1, 50)).map(lambda each: (each[0], each[0] + each[1]))


@given(st.lists(BUCKETS))
def test_merged_buckets_do_not_overlap_and_each_lies_in_one(buckets: list[tuple[float, float]]) -> None:
    merged = merge_bounds(buckets)
    assert all(below[1] <= above[0] for below, above in pairwise(merged))
    assert all(sum(low <= each[0] and each[1] <= high for low, high in merged) == 1 for each in buckets)


@pytest.mark.parametrize(
    ("buckets", "layout"),
    [
        ([(3, "-0.001", "0.001", "10")], (0, 0.001, math.inf)),  # of a histogram of nothing below 0
        ([(1, "-2", "-1", "1"), (3, "-0.001", "0.001", "9")], (-2, -1, -0.001, 0.001, math.inf)),
        ([(0, "1", "+Inf", "10")], (1, math.inf)),
    ],
)
def test_a_bucket_around_zero_begins_there_unless_something_is_below(
    buckets: list[tuple[int, str, str, str]], layout: tuple[float, ...]
) -> None:
    made = table(series(RawHistogram("10", "1", buckets)))
    assert made.layout == layout
    assert made.cumulative[0, -1, 0] == 10
