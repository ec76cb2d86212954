"""Histograms merged over layouts: what is not known between two bounds stays unknown."""

from __future__ import annotations

import math
from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.kpis.groups import Group
from monitord.kpis.readings.buckets import BucketSums, Histogram, Layout, merge
from monitord.kpis.readings.increase import Scrapes, Windows
from monitord.kpis.readings.quantile_bounds import quantile_between

OBSERVATIONS = st.lists(st.floats(0.01, 10), max_size=20).map(sorted)
LAYOUTS = st.lists(st.sampled_from([0.1, 0.5, 1.0, 2.0, 5.0]), unique=True).map(
    lambda bounds: (*sorted(bounds), math.inf)
)


def histogram(layout: Layout, observed: list[float], more: list[float] | None = None) -> Histogram:
    """Return a histogram of what was `observed` for certain, and of `more` that may have been as well."""
    every = sorted(observed + (more or []))
    low, high = (
        np.array([[float(bisect_right(found, bound))] for bound in layout]) for found in (observed, every)
    )
    return Histogram(layout, low, high, (low + high) / 2)


@given(
    st.lists(st.tuples(LAYOUTS, OBSERVATIONS, OBSERVATIONS, OBSERVATIONS), min_size=1, max_size=4),
    st.sampled_from([0.01, 0.5, 0.9, 0.99]),
)
def test_the_truth_lies_inside_what_is_merged(
    parts: list[tuple[Layout, list[float], list[float], list[float]]], q: float
) -> None:
    """Of what may have been in the window some was, and some was not."""
    merged = merge([histogram(layout, sure, here + gone) for layout, sure, here, gone in parts])
    assert merged is not None
    truth = sorted(x for _, sure, here, _ in parts for x in sure + here)
    (least_above, most_above), low, high = merged.above, merged.low, merged.high
    for row, bound in enumerate(merged.layout):
        below = bisect_right(truth, bound)
        assert low[row, 0] <= below <= high[row, 0]
        assert least_above[row, 0] <= len(truth) - below <= most_above[row, 0]
    if truth:
        columns = [each[:, 0].tolist() for each in (low, high, least_above, most_above)]
        found = quantile_between(q, merged.layout, (columns[0], columns[1]), (columns[2], columns[3]))
        assert found.low <= truth[max(0, math.ceil(q * len(truth) - 1e-9) - 1)] <= found.high


def test_the_estimate_is_known_where_all_have_a_bound_or_nothing_lies_between() -> None:
    merged = merge([histogram((1.0, 2.0, math.inf), [0.5, 1.5]), histogram((2.0, math.inf), [1.5, 3.0])])
    assert merged is not None
    assert merged.layout == (1.0, 2.0, math.inf)
    assert (math.isnan(merged.estimate[0, 0]), merged.mixed) == (True, True)
    assert merged.estimate[1:, 0].tolist() == [3, 4]
    assert (merged.low[0, 0], merged.high[0, 0]) == (1, 2)
    assert [each[0, 0] for each in merged.above] == [2, 3]
    merged = merge([histogram((1.0, 2.0, math.inf), [0.5, 1.5]), histogram((2.0, math.inf), [3.0])])
    assert merged is not None
    assert (merged.estimate[:, 0].tolist(), merged.mixed) == ([1, 2, 3], False)


def test_what_nothing_limits_is_not_limited_when_merged() -> None:
    open_ended = histogram((1.0, math.inf), [0.5])
    open_ended = Histogram(open_ended.layout, open_ended.low, open_ended.high * math.inf, open_ended.estimate)
    merged = merge([open_ended, histogram((2.0, math.inf), [1.5])])
    assert merged is not None
    assert np.isinf(merged.high).all()
    assert np.isinf(merged.above[1]).all()
    assert merged.above[0][:, 0].tolist() == [0, 0, 0]


def test_one_histogram_is_itself_and_none_is_none() -> None:
    one = histogram((1.0, math.inf), [0.5])
    assert merge([one]) is one
    assert merge([]) is None


def test_histograms_of_one_layout_are_added_up_over_targets_and_groups() -> None:
    sums = BucketSums(Windows(np.array([0.0]), np.array([10.0])))
    scrapes = Scrapes(np.array([0.0, 10.0]), np.array([0.0, 10.0]), np.zeros(2, np.bool_))
    for group, step in ((Group("a"), 4.0), (Group("a"), 6.0), (Group("b"), 10.0)):
        sums.add(group, (1.0, math.inf), scrapes, np.array([[[1.0, 1.0 + step], [1.0, 1.0 + 2 * step]]]))
    both, one = sums.of([Group("a"), Group("b")]), sums.of([Group("a")])
    assert both is not None
    assert one is not None
    assert both.estimate[:, 0].tolist() == pytest.approx([20, 40])
    assert one.estimate[:, 0].tolist() == pytest.approx([10, 20])
    assert sums.of([Group("c")]) is None
    assert set(sums.groups) == {Group("a"), Group("b")}
