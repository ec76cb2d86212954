"""The raw samples of one target as tables: a row for each series, a column for each scrape. Pure.

All samples of a scrape have its time, so a target's series share their columns. What a scrape did not
have is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from monitord.kpis.groups import Group, group_of
from monitord.kpis.readings.increase import Flags, Floats, Scrapes
from monitord.prometheus.api.sample_block import HistogramSeries, Labels, Milliseconds, SampleBlock

NAME = "__name__"
UP = "up"
DURATION = "scrape_duration_seconds"
STARTED = "process_start_time_seconds"
OF_SCRAPES = (UP, DURATION, STARTED)
"""The metrics without which those of a target cannot be dated."""
COUNT_SUFFIX = "_count"
"""The count of a histogram or summary never falls while its process runs: if it does, that was restarted."""
_STARTED_TOLERANCE = 1.0
"""In seconds: some exporters compute their start from two clocks, and it wavers."""

Identity = tuple[str, str, str]


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

    def rows(self, chosen: Sequence[int]) -> Metric:
        """Return some of the series."""
        return Metric([self.labels[row] for row in chosen], self.values[chosen])

    def by_gpu(self) -> Iterator[tuple[str, Metric]]:
        """Yield the series of each GPU, and those of none together, with the value of their label."""
        rows: dict[str, list[int]] = {}
        for row, labels in enumerate(self.labels):
            rows.setdefault(labels.get("gpu", ""), []).append(row)
        for gpu, chosen in rows.items():
            yield gpu, self if len(rows) == 1 else self.rows(chosen)


@dataclass(frozen=True, slots=True)
class TargetScrapes:
    """All scrapes of a target: its own labels, when each scrape was (Unix ms), and which succeeded.

    `successes` are those that did, as what counters are measured with.
    """

    labels: Labels
    times: Milliseconds
    up: Flags
    successes: Scrapes

    @property
    def identity(self) -> Identity:
        """The labels that tell targets apart."""
        return _identity(self.labels)

    def group(self, gpu: str) -> Group:
        """Return the group of the target's series, or of those of one of its GPUs."""
        group = group_of(self.labels)
        return group._replace(gpu=gpu) if gpu else group


@dataclass(frozen=True)
class TargetSamples:
    """What was scraped of one target: all of it, or some of its metrics."""

    scrapes: TargetScrapes
    metrics: Mapping[str, Metric]
    histograms: Mapping[str, Sequence[HistogramSeries]] = field(default_factory=dict)

    @cached_property
    def counted(self) -> Mapping[str, Metric]:
        """The metrics with a column for each successful scrape only."""
        up = self.scrapes.up
        if up.all():
            return self.metrics
        return {name: Metric(each.labels, each.values[:, up]) for name, each in self.metrics.items()}


def targets_of(
    block: SampleBlock, known: Mapping[Identity, TargetScrapes] | None = None
) -> list[TargetSamples]:
    """Return the targets of a block, in the order of their first series.

    `known` are scrapes of targets whose samples come in several blocks, of which the first has the metrics of
    scrapes. Targets that were never scraped are left out.
    """
    series: dict[Identity, list[Series]] = {}
    begin = 0
    for labels, end in zip(block.labels, block.ends.tolist(), strict=True):
        each = Series(labels, block.times[begin:end], block.values[begin:end])
        series.setdefault(_identity(labels), []).append(each)
        begin = end
    histograms: dict[Identity, list[HistogramSeries]] = {}
    for native in block.histograms:
        histograms.setdefault(_identity(native.labels), []).append(native)
    found = (
        target_samples(series.get(identity, ()), histograms.get(identity, ()), (known or {}).get(identity))
        for identity in dict.fromkeys((*series, *histograms))
    )
    return [each for each in found if each is not None]


def target_samples(
    series: Iterable[Series],
    histograms: Iterable[HistogramSeries] = (),
    scrapes: TargetScrapes | None = None,
) -> TargetSamples | None:
    """Return the samples of one target; None when nothing is known of its scrapes.

    When the target's labels were changed in between, each series comes in two pieces, which are joined.
    """
    by_name: dict[str, list[Series]] = {}
    for each in series:
        by_name.setdefault(each.labels[NAME], []).append(each)
    scraped = by_name.get(UP)
    if scraped:
        scrapes = _scrapes(by_name)
    if scrapes is None:
        return None
    own = scrapes.labels
    if scraped and len(scraped) > 1:
        names = {name for each in scraped for name in each.labels} - {NAME}
        by_name = {name: _joined(found, names, own) for name, found in by_name.items()}
    native: dict[str, list[HistogramSeries]] = {}
    for histogram in histograms:
        native.setdefault(histogram.labels[NAME], []).append(histogram)
    metrics = {name: _metric(scrapes.times, found) for name, found in by_name.items()}
    if scraped:
        scrapes = _with_drops(scrapes, metrics)
    return TargetSamples(scrapes, metrics, native)


def _identity(labels: Labels) -> Identity:
    return (labels.get("job", ""), labels.get("instance", ""), labels.get("client", ""))


def _scrapes(by_name: Mapping[str, Sequence[Series]]) -> TargetScrapes:
    scraped = by_name[UP]
    times = scraped[0].times if len(scraped) == 1 else np.unique(np.concatenate([s.times for s in scraped]))
    outcomes = _row(times, scraped)
    up = outcomes == 1
    newest = max(scraped, key=lambda each: int(each.times[-1]))
    starts = times[up] / 1000.0
    durations = _row(times, by_name.get(DURATION, ()))[up]
    started = _row(times, by_name.get(STARTED, ()))[up]
    successes = Scrapes(starts, starts + np.nan_to_num(durations), _restarts(started))
    return TargetScrapes(_without_name(newest.labels), times, up, successes)


def _row(times: Milliseconds, series: Sequence[Series]) -> Floats:
    """Return the values of series that are one after the other, as one row."""
    row = np.full(len(times), np.nan)
    for each in series:
        place(row, times, each.times, each.values)
    return row


def place(row: Floats, times: Milliseconds, at: Milliseconds, values: Floats) -> None:
    """Write values into the columns of their times; a sample of no scrape is not ours to date."""
    if len(at) == len(times) and np.array_equal(at, times):
        row[:] = values
        return
    columns = np.searchsorted(times, at)
    kept = columns < len(times)
    kept[kept] = times[columns[kept]] == at[kept]
    row[columns[kept]] = values[kept]


def _metric(times: Milliseconds, series: Sequence[Series]) -> Metric:
    values = np.full((len(series), len(times)), np.nan)
    for row, each in enumerate(series):
        place(values[row], times, each.times, each.values)
    return Metric([each.labels for each in series], values)


def _joined(series: Sequence[Series], of_target: set[str], own: Labels) -> list[Series]:
    """Join the pieces of each series, which differ in the target's labels alone, under its latest labels."""
    pieces: dict[tuple[tuple[str, str], ...], list[Series]] = {}
    for each in series:
        key = tuple(sorted(item for item in each.labels.items() if item[0] not in of_target))
        pieces.setdefault(key, []).append(each)
    joined = []
    for key, found in pieces.items():
        times = np.concatenate([each.times for each in found])
        order = np.argsort(times, kind="stable")
        values = np.concatenate([each.values for each in found])
        joined.append(Series({**own, **dict(key)}, times[order], values[order]))
    return joined


def _restarts(started: Floats) -> Flags:
    """Return at which scrapes the process is known to have been started since the one before."""
    known = np.flatnonzero(~np.isnan(started))
    restarted = np.zeros(len(started), np.bool_)
    restarted[known[1:]] = np.diff(started[known]) > _STARTED_TOLERANCE
    return restarted


def _with_drops(scrapes: TargetScrapes, metrics: Mapping[str, Metric]) -> TargetScrapes:
    """Return scrapes that know of a restart by a histogram or summary that counts less than it did.

    Its other counters may have been reset too, but have grown past their old values since.
    """
    successes = scrapes.successes
    restarted = successes.restarted.copy()
    for name, metric in metrics.items():
        if name.endswith(COUNT_SUFFIX):
            values = metric.values[:, scrapes.up]
            restarted[1:] |= (values[:, 1:] < values[:, :-1]).any(axis=0)
    return replace(scrapes, successes=Scrapes(successes.starts, successes.ends, restarted))


def _without_name(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != NAME}
