"""A published summary of all series, derived again from the raw samples beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from monitord.artifacts.layout import SERIES
from monitord.artifacts.series_files import read_series
from monitord.artifacts.verify import Difference
from monitord.collect.metric_types import MetricTypes
from monitord.collect.series_summary import NUMBERS, SeriesRows, SeriesSummary, Texts
from monitord.kpis.readings.increase import Floats
from monitord.kpis.readings.target_samples import TargetSamples
from monitord.kpis.span import Span

TOLERANCE = 1e-6


class SeriesDerivation:
    """Summarizes targets again; the types of metrics are those that were published."""

    def __init__(self, folder: Path, span: Span) -> None:
        self._published = read_series(folder / SERIES)
        types = {metric: [{"type": kind}] for metric, kind, *_ in self._published.texts}
        self._summary = SeriesSummary(span, MetricTypes(types))
        self._derived: list[SeriesRows] = []

    def take(self, target: TargetSamples) -> None:
        """Summarize a target, or those of its metrics that were read together."""
        self._derived += self._summary.rows(target)

    def differences(self) -> Iterator[Difference]:
        """Yield what differs from the published rows."""
        ours = {key: row for rows in self._derived for key, row in zip(rows.texts, rows.numbers, strict=True)}
        theirs = dict(zip(self._published.texts, self._published.numbers, strict=True))
        for key in sorted(ours.keys() | theirs.keys()):
            for message in _differing(ours.get(key), theirs.get(key)):
                yield Difference(SERIES, f"{_name(key)}: {message}")


def _differing(ours: Floats | None, theirs: Floats | None) -> Iterator[str]:
    if theirs is None:
        yield "has no row, but the samples give one"
    elif ours is None:
        yield "has a row, but the samples give none"
    else:
        same = np.isclose(ours, theirs, rtol=TOLERANCE, atol=1e-12, equal_nan=True)
        for column in np.flatnonzero(~same).tolist():
            yield f"{NUMBERS[column]} is {theirs[column]:g}, the samples give {ours[column]:g}"


def _name(key: Texts) -> str:
    return " ".join(text for text in key if text not in {"", "{}"})
