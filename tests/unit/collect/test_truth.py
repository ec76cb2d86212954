"""The truth of a simulated load lies inside the published bounds, however the load is scraped and read."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from tests.fakes.sample_client import SESSION, SampleClient
from tests.loads import Load, assert_inside, random_load, rows_with_truth
from tests.tightest_bounds import assert_tight, tightest

START = 1000.0


def measured(seed: int, most: int = 200_000) -> tuple[Load, CollectedWindow]:
    load, left_open = random_load(seed, START, native=True), bool(seed % 2)
    client = SampleClient(load.series, left_open=left_open)
    return load, collect(load.request(SESSION, left_open), client, lambda: 0.0, most=most)


@settings(max_examples=150)
@given(st.integers(0, 2**32))
@example(6660)  # a ratio in a part of the window in which it may not exist
def test_the_truth_lies_inside_the_published_bounds(seed: int) -> None:
    load, collection = measured(seed)
    for row, true in rows_with_truth(load, collection):
        assert_inside(row, true)


@settings(max_examples=50)
@given(st.integers(0, 2**32))
def test_the_bounds_are_as_tight_as_the_scrapes_allow(seed: int) -> None:
    load, collection = measured(seed)
    for row, _ in rows_with_truth(load, collection):
        best = tightest(load, row, collection.request.span)
        if best is not None:
            assert_tight(row, best)


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 3000))
@example(105, 165)  # targets in another order, whose sums would be rounded otherwise
def test_in_how_many_answers_the_samples_come_makes_no_difference(seed: int, most: int) -> None:
    (_, one), (_, several) = measured(seed), measured(seed, most)
    assert several.rows == one.rows
    assert several.coverage == one.coverage
    assert list(map(repr, several.timeseries)) == list(map(repr, one.timeseries))


def test_a_window_that_is_read_in_parts_has_more_than_one_answer() -> None:
    _, collection = measured(1, most=50)
    uses = [record.use for record in collection.queries]
    assert uses.count("samples") > 3
    assert "metrics" in uses
    assert np.all([record.error == "" for record in collection.queries])
