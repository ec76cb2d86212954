"""Histograms in buckets, added up by group and by layout, and merged over layouts. Pure.

A cumulative count is known at a histogram's own bucket bounds only. At a bound that it lacks, at least as
many observations lie at or below as at its next bound below, and at most as many as at its next bound
above."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitord.kpis.groups import Group
from monitord.kpis.readings.increase import Floats, Scrapes, Windows, increases
from monitord.kpis.readings.target_samples import Metric, TargetSamples

Layout = tuple[float, ...]  # upper bounds of buckets, in order


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cumulative counts by upper bound: a row for each bound, a column for each window.

    `mixed` means that histograms of several layouts were merged, and that `estimate` is not a number at
    bounds that fall into a bucket of one of them. `beyond` is then the least and the most above each bound.
    """

    layout: Layout
    low: Floats
    high: Floats
    estimate: Floats
    mixed: bool = False
    beyond: tuple[Floats, Floats] | None = None

    @property
    def above(self) -> tuple[Floats, Floats]:
        """The least and the most that can have been observed above each bound."""
        return self.beyond or (_rest(self.low, self.low), _rest(self.high, self.high))


class BucketSums:
    """The buckets of one metric's histograms, by group and layout."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._found: dict[Group, dict[Layout, Histogram]] = {}
        self.respelt: set[Group] = set()
        """Groups of which a series went on under another spelling of its bucket bound, as 1 and 1.0."""

    @property
    def groups(self) -> Collection[Group]:
        """The groups that have buckets."""
        return self._found.keys()

    def take(self, target: TargetSamples, metric: Metric) -> None:
        """Add a target's buckets: series with a label `le`."""
        for gpu, series in metric.by_gpu():
            group = target.scrapes.group(gpu)
            joined, respelt = _by_bound(series)
            if respelt:
                self.respelt.add(group)
            layouts: dict[Layout, list[Floats]] = {}
            for rows in joined.values():
                layout = tuple(sorted(rows))
                layouts.setdefault(layout, []).append(np.array([rows[bound] for bound in layout]))
            for layout, histograms in layouts.items():
                self.add(group, layout, target.scrapes.successes, np.array(histograms))

    def add(self, group: Group, layout: Layout, scrapes: Scrapes, histograms: Floats) -> None:
        """Add histograms [histogram x bound x scrape] of cumulative counts of one layout."""
        count, bounds, columns = histograms.shape
        rows = histograms.reshape(count * bounds, columns)
        found = increases(scrapes, rows, self._windows, together=bounds)
        if not found.exists[:, 0].any():
            return
        low, high, estimate = (
            each.reshape(count, bounds, -1).sum(axis=0) for each in (found.low, found.high, found.estimate)
        )
        self._put(group, Histogram(layout, low, high, estimate))

    def include(self, other: BucketSums) -> None:
        """Add the buckets of other histograms of the same metric."""
        for group, of_group in other._found.items():
            for histogram in of_group.values():
                self._put(group, histogram)
        self.respelt |= other.respelt

    def _put(self, group: Group, histogram: Histogram) -> None:
        of_group = self._found.setdefault(group, {})
        known = of_group.get(histogram.layout)
        of_group[histogram.layout] = histogram if known is None else _added([known, histogram])

    def of(self, groups: Collection[Group]) -> Histogram | None:
        """Return the histograms of some groups merged; None when they have none."""
        by_layout: dict[Layout, list[Histogram]] = {}
        for group in groups:
            for layout, histogram in self._found.get(group, {}).items():
                by_layout.setdefault(layout, []).append(histogram)
        return merge([_added(found) for found in by_layout.values()])


def merge(histograms: Sequence[Histogram]) -> Histogram | None:
    """Return histograms of different layouts as one; None when there is none."""
    if len(histograms) < 2:
        return histograms[0] if histograms else None
    layout = tuple(sorted({bound for each in histograms for bound in each.layout}))
    low = np.sum([_at(layout, each, each.low) for each in histograms], axis=0)
    high = np.sum([_at(layout, each, each.high, above=True) for each in histograms], axis=0)
    estimate = np.sum([_at(layout, each, each.estimate) for each in histograms], axis=0)
    most = np.sum([_at(layout, each, each.estimate, above=True) for each in histograms], axis=0)
    estimate[estimate != most] = np.nan  # some were observed between two of a histogram's own bounds
    least = np.sum([_rest(each.low, _at(layout, each, each.low, above=True)) for each in histograms], axis=0)
    beyond = np.sum([_rest(each.high, _at(layout, each, each.high)) for each in histograms], axis=0)
    return Histogram(layout, low, high, estimate, bool(np.isnan(estimate[:, 0]).any()), (least, beyond))


def _rest(counts: Floats, within: Floats) -> Floats:
    """Return what is left of all observations without those within each bound."""
    every = counts[-1]
    return np.where(np.isinf(every), np.inf, np.maximum(np.where(np.isinf(every), 0.0, every) - within, 0.0))


def _at(layout: Layout, histogram: Histogram, counts: Floats, above: bool = False) -> Floats:
    """Return counts at other bounds: those of the next own bound below, or above."""
    own = np.searchsorted(histogram.layout, layout, side="left" if above else "right")
    if above:
        nothing = np.full((1, counts.shape[1]), np.inf)
        return np.vstack([counts, nothing])[np.minimum(own, len(counts))]
    return np.vstack([np.zeros((1, counts.shape[1])), counts])[own]


def _added(histograms: Sequence[Histogram]) -> Histogram:
    if len(histograms) == 1:
        return histograms[0]
    return Histogram(
        histograms[0].layout,
        np.sum([each.low for each in histograms], axis=0),
        np.sum([each.high for each in histograms], axis=0),
        np.sum([each.estimate for each in histograms], axis=0),
    )


_Others = tuple[tuple[str, str], ...]


def _by_bound(series: Metric) -> tuple[Mapping[_Others, dict[float, Floats]], bool]:
    """Return each histogram's rows by bucket bound, and whether a bound came in two spellings.

    The two are one series: Prometheus 3 writes 1 as 1.0, and goes on with data in which it was 1.
    """
    found: dict[_Others, dict[float, Floats]] = {}
    respelt = False
    for labels, row in zip(series.labels, series.values, strict=True):
        try:
            bound = float(labels.get("le", ""))
        except ValueError:
            continue
        others = tuple(item for item in labels.items() if item[0] != "le")
        rows = found.setdefault(others, {})
        if bound in rows:
            respelt = True
            row = np.where(np.isnan(row), rows[bound], row)  # noqa: PLW2901
        rows[bound] = row
    return found, respelt
