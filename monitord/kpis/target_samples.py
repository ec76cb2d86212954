"""The raw samples of one target as tables: a row for each series, a column for each scrape. Pure.

All samples of a scrape have its time, so a target's series share their columns. What a scrape did not
have is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from monitord.kpis.increase import Flags, Floats, Scrapes

Milliseconds = npt.NDArray[np.int64]
Labels = Mapping[str, str]

NAME = "__name__"
_UP = "up"
_DURATION = "scrape_duration_seconds"
_STARTED = "process_start_time_seconds"
_STARTED_TOLERANCE = 1.0
"""In seconds: some exporters compute their start from two clocks, and it wavers."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series as it was read: its labels with the metric's name, its times (Unix ms) and values."""

    labels: Labels
    times: Milliseconds
    values: Floats


@dataclass(frozen=True, slots=True)
class Metric:
    """The series of one metric: the labels of each, and a row of values for each."""

    labels: Sequence[Labels]
    values: Floats


@dataclass(frozen=True)
class TargetSamples:
    """All that was scraped of one target.

    `times` (Unix ms) are those of all scrapes, `up` says which succeeded. `labels` are the target's own.
    """

    labels: Labels
    times: Milliseconds
    up: Flags
    metrics: Mapping[str, Metric]

    @cached_property
    def scrapes(self) -> Scrapes:
        """The successful scrapes; the columns of `counted`."""
        starts = self.times[self.up] / 1000.0
        durations = self._column(_DURATION, missing=0.0)
        return Scrapes(starts, starts + durations, _restarts(self._column(_STARTED, missing=np.nan)))

    def counted(self, metric: Metric) -> Floats:
        """Return a metric's values at the successful scrapes."""
        columns: Floats = metric.values[:, self.up]
        return columns

    def _column(self, metric: str, missing: float) -> Floats:
        found = self.metrics.get(metric)
        if found is None:
            return np.full(int(self.up.sum()), missing)
        column = self.counted(found)[0]
        return np.where(np.isnan(column), missing, column)


def target_samples(series: Iterable[Series]) -> TargetSamples | None:
    """Return the samples of one target, from all of its series; None when it was never scraped.

    When the target's labels were changed in between, each of its series comes twice, and the labels that
    were seen last are the target's.
    """
    by_name: dict[str, list[Series]] = {}
    for each in series:
        by_name.setdefault(each.labels[NAME], []).append(each)
    scraped = by_name.get(_UP)
    if not scraped:
        return None
    times = np.unique(np.concatenate([each.times for each in scraped]))
    up = np.zeros(len(times), np.bool_)
    for each in scraped:
        up[np.searchsorted(times, each.times)] = each.values == 1
    newest = max(scraped, key=lambda each: int(each.times[-1]))
    metrics = {name: _metric(times, found) for name, found in by_name.items()}
    return TargetSamples(_without_name(newest.labels), times, up, metrics)


def _metric(times: Milliseconds, series: Sequence[Series]) -> Metric:
    values = np.full((len(series), len(times)), np.nan)
    for row, each in enumerate(series):
        if len(each.times) == len(times):
            values[row] = each.values
        else:
            columns = np.searchsorted(times, each.times)
            kept = columns < len(times)
            kept[kept] = times[columns[kept]] == each.times[kept]  # a sample of no scrape: not ours to date
            values[row, columns[kept]] = each.values[kept]
    return Metric([_without_name(each.labels) for each in series], values)


def _restarts(started: Floats) -> Flags:
    """Say at which scrapes the process is known to have been started since the one before."""
    known = np.flatnonzero(~np.isnan(started))
    restarted = np.zeros(len(started), np.bool_)
    later = np.diff(started[known]) > _STARTED_TOLERANCE
    restarted[known[1:]] = later
    return restarted


def _without_name(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != NAME}
