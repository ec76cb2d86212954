"""The increases of counters added up by group, for the window, its tiles and its steps at once. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from monitord.kpis.groups import Group
from monitord.kpis.readings.increase import Flags, Floats, Scrapes, Windows, increases
from monitord.kpis.readings.target_samples import Metric, TargetSamples
from monitord.kpis.span import TIMESTAMP_TOLERANCE, Span


@lru_cache(maxsize=4)
def windows_of(span: Span) -> Windows:
    """Return a window, its tiles and its steps as what counters are measured over."""
    starts, ends = np.array(span.edges()).T
    return Windows(starts, ends, span.skew + TIMESTAMP_TOLERANCE)


@dataclass(frozen=True, slots=True)
class Sums:
    """The increases of some counters together: `low`, `high` and `estimate` for each window.

    `seen` says in which windows any of them was scraped. The rest is about the whole
    window: how many `series` there are, the part of the upper bound that was counted before they were first
    seen (`unseen`), the most `resets` of one, whether one `ended`, and the smallest share of its scrapes that
    a series has a sample of (`presence`).
    """

    low: Floats
    high: Floats
    estimate: Floats
    seen: Flags
    series: int = 0
    unseen: float = 0.0
    resets: int = 0
    ended: bool = False
    presence: float = 1.0


class CounterSums:
    """The sums of one metric's counters, by group."""

    def __init__(self, span: Span) -> None:
        self._windows = windows_of(span)
        self._found: dict[Group, list[Sums]] = {}

    @property
    def groups(self) -> Collection[Group]:
        """The groups of which a counter was seen in the window."""
        return self._found.keys()

    def take(self, target: TargetSamples, metric: Metric) -> None:
        """Add the counters of a target; `metric` has a column for each of its successful scrapes."""
        for gpu, counters in metric.by_gpu():
            found = measure(target.scrapes.successes, counters, self._windows)
            if found is not None:
                self._found.setdefault(target.scrapes.group(gpu), []).append(found)

    def include(self, other: CounterSums) -> None:
        """Add the sums of other counters of the same metric."""
        for group, parts in other._found.items():
            self._found.setdefault(group, []).extend(parts)

    def of(self, groups: Collection[Group]) -> Sums | None:
        """Return the sums over some groups; None when none of them has any."""
        parts = [part for group in groups for part in self._found.get(group, ())]
        if len(parts) < 2:
            return parts[0] if parts else None
        return Sums(
            np.sum([part.low for part in parts], axis=0),
            np.sum([part.high for part in parts], axis=0),
            np.sum([part.estimate for part in parts], axis=0),
            np.any([part.seen for part in parts], axis=0),
            sum(part.series for part in parts),
            sum(part.unseen for part in parts),
            max(part.resets for part in parts),
            any(part.ended for part in parts),
            min(part.presence for part in parts),
        )

    def resets(self, group: Group) -> int | None:
        """Return the most resets of a counter of a group; None when it has none."""
        return max((part.resets for part in self._found.get(group, ())), default=None)


def measure(scrapes: Scrapes, counters: Metric, windows: Windows) -> Sums | None:
    """Return the sums of some counters of one target; None when none of them was seen in the window."""
    found = increases(scrapes, counters.values, windows)
    exists = found.exists[:, 0]
    if not exists.any():
        return None
    first, last = (np.searchsorted(scrapes.starts, edges) for edges in (windows.starts, windows.ends))
    return Sums(
        found.low.sum(axis=0), found.high.sum(axis=0), found.estimate.sum(axis=0),
        found.exists.any(axis=0) & (first < last), int(exists.sum()), float(found.unseen[:, 0].sum()),
        int(found.resets[:, 0].max()), bool(found.ended[:, 0].any()),
        presence(counters.values[exists], int(first[0]), int(last[0])),
    )  # fmt: skip


def presence(values: Floats, first: int, last: int) -> float:
    """Return the smallest share of the scrapes from `first` to before `last` that a series has a sample of.

    Those before a series was first seen do not count.
    """
    there = ~np.isnan(values)
    known = there[:, :first].any(axis=1)
    inside = there[:, first:last]
    if not inside.size:
        return 1.0
    since = np.where(known, 0, np.where(inside.any(axis=1), np.argmax(inside, axis=1), inside.shape[1] - 1))
    shares = np.where(known | inside.any(axis=1), inside.sum(axis=1) / (inside.shape[1] - since), 1.0)
    return float(shares.min())
