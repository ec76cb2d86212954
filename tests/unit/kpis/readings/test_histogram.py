"""Quantiles of many windows at once are those of one after the other."""

from __future__ import annotations

import math
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.kpis.quantile import bucket_quantile
from monitord.kpis.readings.histogram import quantiles

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
