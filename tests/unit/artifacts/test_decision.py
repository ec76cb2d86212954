"""What is decided about a difference, from values, their bounds and p."""

from __future__ import annotations

import math

from hypothesis import assume, given
from hypothesis import strategies as st

from monitord.artifacts.decision import (
    Measured,
    Sample,
    decide,
    overlap,
    percent_change,
    sample,
    separation,
)
from monitord.artifacts.ranks import ALPHA, mann_whitney

VALUE = st.floats(-100, 100)
WIDTH = st.floats(0, 30)


@st.composite
def bounded(draw: st.DrawFn, *, least: float = -100.0) -> Measured:
    value = draw(st.floats(least, 100))
    return Measured(value, (value - draw(WIDTH), value + draw(WIDTH)))


SIDE = st.lists(bounded(), min_size=1, max_size=6)
CHANGES = st.floats(allow_nan=False)
PS = st.floats(0, 1)


@given(change=CHANGES, p=PS, limit=st.none() | st.floats(0, 100), may_be_equal=st.booleans())
def test_undecided_is_what_overlaps_or_differs_without_being_significant(
    change: float, p: float, limit: float | None, may_be_equal: bool
) -> None:
    assume(not math.isclose(abs(change), limit or 0))
    differs = abs(change) > (limit or 0)
    for better in ("lower", "higher"):
        verdict = decide(change, p, better, limit, may_be_equal=may_be_equal)
        assert (verdict == "undecided") == (may_be_equal or (differs and p > ALPHA))
        is_bad = (change > 0) == (better == "lower")
        significant = change != 0 and p <= ALPHA and not may_be_equal
        assert (verdict == "worse") == (significant and differs and is_bad)
        assert (verdict == "better") == (significant and not is_bad)


def test_without_a_direction_or_a_change_there_is_no_verdict() -> None:
    assert decide(10.0, 0.001, None) is None
    assert decide(None, None, "lower") is None


@given(first=SIDE, second=SIDE)
def test_one_run_on_each_side_is_never_significant(first: list[Measured], second: list[Measured]) -> None:
    assert separation(sample(first[:1]), sample(second[:1])).p == 1


@given(first=st.lists(VALUE, min_size=1, max_size=6), second=st.lists(VALUE, min_size=1, max_size=6))
def test_without_bounds_p_is_that_of_the_values(first: list[float], second: list[float]) -> None:
    plain = [sample([Measured(value) for value in side]) for side in (first, second)]
    exact = [sample([Measured(value, (value, value)) for value in side]) for side in (first, second)]
    test = mann_whitney(first, second)
    found = separation(*plain)
    assert found.p in {test.p, 1.0}  # 1 where the medians point to the other side than the ranks
    assert separation(*exact).p >= found.p
    assert not overlap(*plain)
    assert not overlap(*exact)


@given(data=st.data(), first=SIDE, second=SIDE)
def test_what_is_significant_is_so_wherever_the_true_values_lie(
    data: st.DataObject, first: list[Measured], second: list[Measured]
) -> None:
    """Moved apart, so that most examples are significant; p is exact when no two true values are equal."""
    shift = data.draw(st.sampled_from((0.0, 100.0, 200.0)))
    second = [_moved(each, shift) for each in second]
    found = separation(sample(first), sample(second))
    true = [[data.draw(st.floats(*each.bounds or (0.0, 0.0))) for each in side] for side in (first, second)]
    assume(len({*true[0], *true[1]}) == len(first) + len(second))
    assert mann_whitney(*true).p <= found.p


@given(data=st.data(), side=SIDE)
def test_the_true_median_is_in_the_interval(data: st.DataObject, side: list[Measured]) -> None:
    one = sample(side)
    true = sample([Measured(data.draw(st.floats(*each.bounds or (0.0, 0.0)))) for each in side])
    assert one.interval is not None
    assert true.median is not None
    assert one.interval[0] <= true.median <= one.interval[1]


@given(first=SIDE, second=SIDE)
def test_overlap_is_symmetric_and_means_that_neither_is_below_the_other(
    first: list[Measured], second: list[Measured]
) -> None:
    one, other = sample(first), sample(second)
    assert overlap(one, other) == overlap(other, one)
    ends, others = one.interval, other.interval
    assert ends is not None
    assert others is not None
    assume(ends[0] < ends[1])
    assert overlap(one, other) == (not (ends[1] < others[0] or others[1] < ends[0]))


def test_a_number_without_bounds_may_lie_within_those_of_the_other_side() -> None:
    bucket, exact = sample([Measured(5.0, (4.0, 8.0))]), sample([Measured(6.0)])
    assert overlap(bucket, exact)
    assert overlap(exact, bucket)
    assert not overlap(bucket, sample([Measured(9.0)]))


def test_medians_and_ranks_that_disagree_decide_nothing() -> None:
    """Most of A is above most of B, but the median of B is the greater one."""
    first = sample([Measured(value) for value in [5.0] * 10 + [100.0] * 9])
    second = sample([Measured(value) for value in [0.0] * 9 + [6.0] * 10])
    assert mann_whitney(first.values, second.values).p < ALPHA
    assert separation(first, second).p == 1


def test_missing_values_are_counted_and_their_remarks_kept() -> None:
    found = sample([Measured(1.0), Measured(None, None, "no_data: metric_absent"), Measured(math.nan)])
    assert found == Sample((1.0,), 2, (None,), ("", "no_data: metric_absent", ""))
    assert percent_change(found, sample([])) is None


def _moved(each: Measured, by: float) -> Measured:
    low, high = each.bounds or (0.0, 0.0)
    return Measured((each.value or 0.0) + by, (low + by, high + by))
