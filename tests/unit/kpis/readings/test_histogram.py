"""Quantiles of many windows at once are those of one after the other."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.kpis.quantile import bucket_quantile
from monitord.kpis.readings.buckets import Histogram
from monitord.kpis.readings.histogram import quantiles, share_up_to

BOUNDS = st.lists(st.floats(-5, 100).filter(lambda x: x != 0), min_size=1, max_size=6, unique=True).map(
    sorted
)


@given(BOUNDS, st.data(), st.sampled_from([0.01, 0.5, 0.9, 0.99]))
def test_each_column_is_the_quantile_of_its_counts(
    bounds: list[float], data: st.DataObject, q: float
) -> None:
    column = st.lists(st.integers(0, 50), min_size=len(bounds) + 1, max_size=len(bounds) + 1)
    columns = data.draw(st.lists(column.map(lambda counts: list(accumulate(counts))), min_size=1, max_size=5))
    layout = [*bounds, math.inf]
    found = quantiles(q, np.array(layout), np.array(columns, np.float64).T).tolist()
    for counts, value in zip(columns, found, strict=True):
        expected = bucket_quantile(q, dict(zip(layout, map(float, counts), strict=True)))
        assert math.isnan(value) if expected is None else value == pytest.approx(expected.value)


@given(BOUNDS, st.lists(st.floats(-10, 200), min_size=1, max_size=50), st.floats(-10, 200))
def test_the_share_up_to_a_threshold_lies_between_its_bounds(
    bounds: list[float], observed: list[float], threshold: float
) -> None:
    layout = (*bounds, math.inf)
    counts = np.array([[float(sum(value <= bound for value in observed))] for bound in layout])
    value, share = share_up_to(threshold, Histogram(layout, counts, counts, counts))
    true = sum(each <= threshold for each in observed) / len(observed)
    assert share.low <= true <= share.high
    assert value is not None
    assert share.low <= value <= share.high
    if threshold in bounds:
        assert share.low == share.high == value


def test_what_was_uncertain_of_the_counts_widens_the_share() -> None:
    layout = (0.25, 1.0, math.inf)
    low, high = np.array([[80.0], [90.0], [100.0]]), np.array([[84.0], [99.0], [110.0]])
    _, share = share_up_to(0.25, Histogram(layout, low, high, (low + high) / 2))
    assert share.low == pytest.approx(80 / (80 + 26))
    assert share.high == pytest.approx(84 / (84 + 20))
