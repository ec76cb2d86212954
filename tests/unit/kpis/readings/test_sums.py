"""Counters added up by group, and how many of the scrapes each was in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.kpis.readings.sums import CounterSums, presence
from monitord.kpis.readings.target_samples import Metric, Series, TargetSamples, target_samples
from monitord.kpis.span import Span

SPAN = Span("s", 0.0, 100.0, 5.0)
NAN = math.nan


@pytest.mark.parametrize(
    ("values", "first", "last", "share"),
    [
        ([[1, 1, 1, 1]], 0, 4, 1.0),
        ([[1, NAN, 1, 1, 1]], 0, 5, 0.8),
        ([[NAN, NAN, 1, 1]], 0, 4, 1.0),  # it was born
        ([[NAN, NAN, 1, NAN]], 0, 4, 0.5),  # and ended
        ([[1, NAN, NAN, NAN]], 1, 4, 0.0),  # it was there before
        ([[NAN, 1, 1, 1], [1, 1, NAN, 1]], 0, 4, 0.75),
        ([[NAN, NAN, NAN, 1]], 0, 3, 1.0),  # born after the window
        ([[1, 1, 1, 1]], 2, 2, 1.0),  # a window without any scrape
    ],
)
def test_a_series_is_expected_in_each_scrape_since_it_was_first_seen(
    values: list[list[float]], first: int, last: int, share: float
) -> None:
    assert presence(np.array(values, np.float64), first, last) == share


@given(
    st.lists(st.lists(st.booleans(), min_size=8, max_size=8), min_size=1, max_size=4),
    st.integers(0, 8),
    st.integers(0, 8),
)
def test_the_share_is_that_of_the_worst_series(there: list[list[bool]], first: int, length: int) -> None:
    last = min(first + length, 8)
    shares = []
    for row in there:
        since = next((n for n in range(8) if row[n]), 8)
        expected = range(max(first, since), last)
        shares.append(sum(row[n] for n in expected) / len(expected) if expected else 1.0)
    values = np.where(np.array(there), 1.0, NAN)
    assert presence(values, first, last) == pytest.approx(min(shares))


def target(instance: str, *, up: int = 23) -> TargetSamples:
    times = np.array([1000 * (5 * n - 3) for n in range(up)], np.int64)
    labels = {"__name__": "up", "job": "j", "instance": instance}
    found = target_samples([Series(labels, times, np.ones(up))])
    assert found is not None
    return found


def test_sums_are_over_series_groups_and_the_worst_of_what_is_known() -> None:
    sums = CounterSums(SPAN)
    one, other = target("a"), target("b")
    times = one.scrapes.times / 1000.0
    reset = np.where(times < 50, times, times - 50)
    sums.take(one, Metric([{}, {"gpu": "0"}], np.array([times + 10, 2 * times + 10])))
    sums.take(other, Metric([{}], np.array([reset + 3])))
    plain, gpu, restarted = (
        one.scrapes.group(""), one.scrapes.group("0"), other.scrapes.group("")
    )  # fmt: skip
    assert set(sums.groups) == {plain, gpu, restarted}
    both = sums.of([plain, gpu])
    assert both is not None
    assert (both.series, both.resets, both.ended, both.estimate[0]) == (2, 0, False, pytest.approx(300))
    assert [sums.resets(group) for group in (plain, restarted)] == [0, 1]
    every = sums.of(sums.groups)
    assert every is not None
    assert (every.series, every.resets, math.isinf(every.high[0])) == (3, 1, True)
    assert sums.of([one.scrapes.group("7")]) is None
    assert sums.resets(one.scrapes.group("7")) is None
