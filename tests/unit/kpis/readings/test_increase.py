"""Bounds of increases: the truth of random loads lies inside, however they are scraped."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.kpis.readings.increase import Floats, Increases, Scrapes, Windows, increases

START, END = 1000.0, 1060.0


@dataclass
class Counter:
    """What happened to a counter: when it was there, and when it counted one more."""

    events: list[float]
    born: float
    died: float

    def read(self, time: float, restarts: list[float]) -> float:
        """Return its value at a time, since the last restart before."""
        if not self.born <= time <= self.died:
            return math.nan
        since = max((restart for restart in restarts if restart <= time), default=-math.inf)
        return float(bisect_right(self.events, time) - bisect_right(self.events, since))

    def truth(self, start: float, end: float) -> int:
        return bisect_left(self.events, end) - bisect_left(self.events, start)


@dataclass
class World:
    """A target under a random load, and its scrapes: lost ones, slow ones, restarts between them."""

    scrapes: Scrapes
    counters: list[Counter]
    values: Floats


def world(random: Random) -> World:
    interval = random.choice([0.5, 1.0, 5.0, 15.0])
    phase, begins, ends = random.random() * interval, [], []
    time = START - 2 * interval + phase
    while time < END + 2 * interval:
        if random.random() > 0.1:
            begins.append(time)
            ends.append(time + random.choice([0.0, 0.01, 0.9]) * random.random() * interval)
        time += interval
    reads = [random.uniform(begin, end) for begin, end in zip(begins, ends, strict=True)]
    restarts = sorted(random.uniform(START, END) for _ in range(random.choice([0, 0, 1, 2])))
    seen = [bisect_right(restarts, read) for read in reads]
    restarted = [now > before for before, now in zip([0, *seen], seen, strict=False)]
    counters = [counter(random) for _ in range(3)]
    values = np.array([[each.read(read, restarts) for read in reads] for each in counters])
    return World(Scrapes(np.array(begins), np.array(ends), np.array(restarted, bool)), counters, values)


def counter(random: Random) -> Counter:
    born = random.choice([-math.inf, -math.inf, random.uniform(START - 5, END)])
    died = random.choice([math.inf, math.inf, random.uniform(START, END + 5)])
    steady = [random.uniform(START - 20, END + 20) for _ in range(random.choice([0, 5, 400]))]
    burst_at = random.uniform(START, END)
    burst = [random.gauss(burst_at, 0.2) for _ in range(random.choice([0, 100]))]
    return Counter(sorted(time for time in steady + burst if born <= time <= died), born, died)


def windows(random: Random, skew: float) -> Windows:
    starts = sorted(random.uniform(START, END) for _ in range(4))
    return Windows(np.array(starts), np.array([start + random.uniform(0.1, 40) for start in starts]), skew)


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.0, 0.4]))
def test_the_truth_lies_inside(seed: int, skew: float) -> None:
    random = Random(seed)
    made, asked = world(random), windows(random, skew)
    found = increases(made.scrapes, made.values, asked)
    off = random.uniform(-skew, skew)
    for row, each in enumerate(made.counters):
        was_seen = not np.isnan(made.values[row]).all()
        for column, (start, end) in enumerate(zip(asked.starts, asked.ends, strict=True)):
            low, high = found.low[row, column], found.high[row, column]
            assert low <= found.estimate[row, column] <= high
            if was_seen:  # else nobody could know of it
                assert low <= each.truth(start + off, end + off) <= high


def scraped(*values: float, took: float = 0.0, restarted: tuple[int, ...] = ()) -> tuple[Scrapes, Floats]:
    """Return scrapes at 0, 5, 10 … of one counter."""
    starts = np.array([5.0 * number for number in range(len(values))])
    again = np.isin(np.arange(len(values)), restarted)
    return Scrapes(starts, starts + took, again), np.array([values])


def window(start: float, end: float, skew: float = 0.0) -> Windows:
    return Windows(np.array([start]), np.array([end]), skew)


def one(found: Increases) -> tuple[float, float, float]:
    return found.low[0, 0], found.estimate[0, 0], found.high[0, 0]


def test_what_is_known_and_what_can_be() -> None:
    scrapes, values = scraped(0, 10, 20, 40, 80)
    # At 7 it stood between 10 and 20, at 12 between 20 and 40: 14 and 28 on straight lines.
    assert one(increases(scrapes, values, window(7, 12))) == (0.0, 14.0, 30.0)
    assert one(increases(scrapes, values, window(5, 15))) == (30.0, 30.0, 30.0)


def test_a_slow_scrape_may_have_been_read_on_either_side_of_an_edge() -> None:
    scrapes, values = scraped(0, 10, 20, 40, 80, took=1.0)
    assert one(increases(scrapes, values, window(5.5, 15)))[::2] == (0.0, 40.0)
    assert one(increases(scrapes, values, window(6, 15)))[::2] == (0.0, 30.0)


def test_clocks_that_differ_widen_both_edges() -> None:
    scrapes, values = scraped(0, 10, 20, 40, 80)
    assert one(increases(scrapes, values, window(5, 15, skew=0.1)))[::2] == (0.0, 80.0)


def test_a_counter_that_was_born_in_the_window_may_have_counted_all_of_its_first_value() -> None:
    scrapes, values = scraped(math.nan, math.nan, 50, 60, 60)
    found = increases(scrapes, values, window(6, 15))
    assert one(found)[::2] == (10.0, 60.0)
    assert found.unseen.all()


def test_where_a_scrape_had_no_such_series_it_stood_at_0() -> None:
    scrapes, values = scraped(math.nan, math.nan, 50, 60, 60)
    assert one(increases(scrapes, values, window(5, 15)))[1] == 60.0
    assert one(increases(scrapes, values, window(2, 15)))[1] == 60.0  # and until its last scrape without it
    assert one(increases(scrapes, values, window(7.5, 15)))[1] == 35.0


@pytest.mark.parametrize("restarted", [(), (2,)])
def test_a_reset_loses_what_nobody_saw(restarted: tuple[int, ...]) -> None:
    scrapes, values = scraped(0, 10, 3, 8, 9, restarted=restarted)
    found = increases(scrapes, values, window(0, 15))
    assert one(found)[::2] == (18.0, math.inf)
    assert found.resets.all()


def test_a_restart_is_known_of_although_the_counter_has_grown_past_its_old_value() -> None:
    scrapes, values = scraped(0, 10, 30, 40, 50, restarted=(2,))
    found = increases(scrapes, values, window(0, 15))
    assert one(found)[::2] == (40.0, math.inf)  # it may as well be a counter of the machine, which went on
    assert found.resets.all()
    scrapes, values = scraped(0, 10, 30, 40, 50)
    assert one(increases(scrapes, values, window(0, 15)))[::2] == (40.0, 40.0)


def test_a_series_that_ended_has_no_upper_bound_and_one_that_had_ended_before_no_increase() -> None:
    scrapes, values = scraped(0, 10, 20, math.nan, math.nan)
    found = increases(scrapes, values, window(5, 15))
    assert one(found)[::2] == (10.0, math.inf)
    assert found.ended.all()
    gone = increases(scrapes, values, window(15, 20))
    assert one(gone) == (0.0, 0.0, 0.0)
    assert not gone.exists.any()
