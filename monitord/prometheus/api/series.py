"""What Prometheus answers a query with, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Series(NamedTuple):
    """One series: its labels and its samples as (Unix seconds, value), oldest first."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The last value, which for an instant query is the only one."""
        return self.samples[-1][1]


class Bucket(NamedTuple):
    """Observations between two bounds. Which of them belong to it differs, and no quantile sees that."""

    low: float
    high: float
    observations: float


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """One native histogram: its buckets that hold something, in ascending order, none overlapping."""

    count: float
    sum: float
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class HistogramSeries:
    """One series of native histograms: its labels, its samples as (Unix seconds, histogram), oldest first."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, NativeHistogram], ...]

    @property
    def value(self) -> NativeHistogram:
        """The last histogram, which for an instant query is the only one."""
        return self.samples[-1][1]


@dataclass(frozen=True, slots=True)
class Answer:
    """All series of one query, and what Prometheus warned of; native histograms stand apart."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()
    histograms: tuple[HistogramSeries, ...] = ()
