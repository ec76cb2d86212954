"""What the counters of one target can have counted in a window: bounds, and an estimate. Pure.

Prometheus dates a sample with the start of its scrape, and the exporter read it then or later, until the
scrape ended. So a sample at t of a scrape that took s seconds was read in [t, t + s]. For a window [from,
to] call

    b  the last sample that was certainly read before `from`      (t + s <= from)
    a  the first sample that was certainly read in or after it    (t >= from)
    c  the last sample that was certainly read before `to`        (t + s <= to)
    d  the first sample that was certainly read at `to` or later  (t >= to)

and C the counter with its resets taken out. A counter only grows, so the increase lies in

    [C(c) - C(a), C(d) - C(b)]

because the increase from a to c happened inside the window, and nothing outside of b to d did. Without b
the counter stood at 0 or more: 0 takes the place of C(b). Without d, or with a reset between b and d,
nothing limits what happened unseen: the upper bound is infinite. Where clocks may differ by `skew` seconds,
b and c are sought that much earlier, a and d that much later. The estimate interpolates the counter
linearly at `from` and at `to`, between the samples that are nearest by their times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scrapes:
    """The successful scrapes of one target, in order: when each began and ended (Unix seconds).

    `restarted` says of each whether the process is known to have started again since the scrape before it: a
    counter may then have been reset, also one that has grown past its old value since. Or not: an exporter's
    counters may be those of the machine."""

    starts: Floats
    ends: Floats
    restarted: Flags


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows to be measured at once: their edges (Unix seconds), and how far clocks may be apart."""

    starts: Floats
    ends: Floats
    skew: float = 0.0


@dataclass(frozen=True, slots=True)
class Increases:
    """What was counted, a row for each series and a column for each window.

    `estimate` lies between `low` and `high`, which is infinite where nothing limits it. `exists` is False
    where a series was certainly not there. `unseen` is the first value of a series that was first seen in the
    window: none, some or all of it was counted there. `resets` counts the resets, and `ended` says that no
    sample after the window limits it."""

    low: Floats
    high: Floats
    estimate: Floats
    exists: Flags
    unseen: Floats
    resets: Floats
    ended: Flags


def increases(scrapes: Scrapes, values: Floats, windows: Windows, together: int = 1) -> Increases:
    """Return the increases of a target's counters.

    `values` has a row for each series and a column for each scrape, NaN where a scrape had no such series. So
    many rows in turn as `together` says are of one histogram: when one of them is reset, all are.
    """
    if not len(scrapes.starts):
        return _nothing(len(values), len(windows.starts))
    counters = _Counters(values, scrapes.restarted, together)
    starts, ends, skew = windows.starts, windows.ends, windows.skew
    # A scrape never outlasts its interval; were one to, nothing after it would count as read before an edge.
    read_by = np.maximum.accumulate(scrapes.ends)
    before = np.searchsorted(read_by, starts - skew, side="right") - 1
    first = np.searchsorted(scrapes.starts, starts + skew, side="left")
    last = np.searchsorted(read_by, ends - skew, side="right") - 1
    after = np.searchsorted(scrapes.starts, ends + skew, side="left")
    b, a = counters.at_or_before(before), counters.at_or_after(first)
    c, d = counters.at_or_before(last), counters.at_or_after(after)

    exists = counters.any_between(before, after)
    low = np.where(exists & (a <= c), counters.total(c) - counters.total(np.minimum(a, c)), 0.0)
    ended = exists & (d > counters.newest)
    resets = counters.resets(np.minimum(d, counters.newest)) - counters.resets(np.maximum(b, before))
    resets = np.where(exists, resets, 0.0)
    high = np.where(
        ended | (resets > 0), np.inf, counters.total(np.minimum(d, counters.newest)) - counters.total(b)
    )
    high = np.where(exists, np.maximum(high, low), 0.0)
    at_start, at_end = (_interpolate(counters, scrapes.starts, edges) for edges in (starts, ends))
    estimate = np.where(exists, np.clip(at_end - at_start, low, high), 0.0)
    unseen = np.where(exists & (b < 0), counters.first()[:, np.newaxis], 0.0)
    return Increases(low, high, estimate, exists, unseen, resets, ended)


def _nothing(series: int, windows: int) -> Increases:
    zeros, never = np.zeros((series, windows)), np.zeros((series, windows), np.bool_)
    return Increases(zeros, zeros, zeros, never, zeros, zeros, never)


class _Counters:
    """The counters of one target, by scrape: -1 is none before, `newest + 1` none after."""

    def __init__(self, values: Floats, restarted: Flags, together: int) -> None:
        series, scrapes = values.shape
        self.newest = scrapes - 1
        self._rows = np.arange(series)[:, np.newaxis]
        present = ~np.isnan(values)
        numbers = np.arange(scrapes)
        none_before, none_after = np.full((series, 1), -1), np.full((series, 1), scrapes)
        latest = np.maximum.accumulate(np.where(present, numbers, -1), axis=1)
        following = np.minimum.accumulate(np.where(present, numbers, scrapes)[:, ::-1], axis=1)[:, ::-1]
        self._at_or_before = np.hstack([none_before, latest])
        self._at_or_after = np.hstack([following, none_after])
        # The value before each one, of the scrape that had the series last; 0 before the first.
        earlier = self._at_or_before[:, :-1]
        previous = np.where(earlier < 0, 0.0, values[self._rows, np.maximum(earlier, 0)])
        restarts = np.cumsum(restarted)
        since = np.where(earlier < 0, restarts[np.newaxis, :], restarts[np.maximum(earlier, 0)])
        dropped = values < previous
        if together > 1:
            of_any = dropped.reshape(-1, together, scrapes).any(axis=1)
            dropped = present & np.repeat(of_any, together, axis=0)
        is_reset = present & (dropped | (restarts > since))
        steps = np.where(present, np.where(dropped, values, values - previous), 0.0)
        zeros = np.zeros((series, 1))
        self._total = np.hstack([zeros, np.cumsum(steps, axis=1)])
        self._resets = np.hstack([zeros, np.cumsum(is_reset | restarted, axis=1)])

    def at_or_before(self, scrape: Integers) -> Integers:
        """Return the scrape of each series' last sample at or before these scrapes, -1 for none."""
        return self._at_or_before[:, scrape + 1]

    def at_or_after(self, scrape: Integers) -> Integers:
        """Return the scrape of each series' first sample at or after these scrapes, `newest + 1` for none."""
        return self._at_or_after[:, scrape]

    def first(self) -> Floats:
        """Return each series' first value; 0 for one without any."""
        seen = np.minimum(self._at_or_after[:, :1], self.newest)
        return self.total(seen)[:, 0]

    def any_between(self, first: Integers, last: Integers) -> Flags:
        """Say which series have a sample from one scrape to another, both included."""
        found: Flags = self.at_or_after(np.maximum(first, 0)) <= np.minimum(last, self.newest)
        return found

    def total(self, samples: Integers) -> Floats:
        """Return what was counted up to these samples, resets taken out; 0 for none."""
        totals: Floats = self._total[self._rows, samples + 1]
        return totals

    def resets(self, samples: Integers) -> Floats:
        """Return how many resets there were up to these samples."""
        resets: Floats = self._resets[self._rows, samples + 1]
        return resets


def _interpolate(counters: _Counters, times: Floats, edges: Floats) -> Floats:
    """Return each counter at the edges, by the samples before and after each edge.

    A series stood at 0 at the target's last scrape without it. With no scrape before its first sample, a
    counter is taken to stand at the edge where it stood when first seen, and with no sample after, where it
    stood last.
    """
    left = counters.at_or_before(np.searchsorted(times, edges, side="right") - 1)
    right = counters.at_or_after(np.searchsorted(times, edges, side="left"))
    since = np.where(left < 0, right - 1, left)
    low, high = counters.total(left), counters.total(np.minimum(right, counters.newest))
    begin, end = times[np.maximum(since, 0)], times[np.minimum(right, counters.newest)]
    share = np.clip((edges - begin) / np.where(end > begin, end - begin, np.inf), 0.0, 1.0)
    between = low + share * (high - low)
    return np.where(right > counters.newest, low, np.where(since < 0, high, between))
