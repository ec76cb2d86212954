"""The answer to a query, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Series(NamedTuple):
    """A series: its labels, and its samples as (Unix seconds, value), oldest first."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The last value; an instant query has only one."""
        return self.samples[-1][1]


class Bucket(NamedTuple):
    """Observations between two bounds. Whether the bounds are inclusive varies, without effect on
    quantiles.
    """

    low: float
    high: float
    observations: float


@dataclass(frozen=True, slots=True)
class NativeHistogram:
    """A native histogram: its non-empty buckets in ascending order, without overlap."""

    count: float
    sum: float
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class HistogramSeries:
    """A series of native histograms: its labels, and its samples as (Unix seconds, histogram), oldest
    first.
    """

    labels: Mapping[str, str]
    samples: tuple[tuple[float, NativeHistogram], ...]

    @property
    def value(self) -> NativeHistogram:
        """The last histogram; an instant query has only one."""
        return self.samples[-1][1]


@dataclass(frozen=True, slots=True)
class Answer:
    """All series of one query, its native histograms, and Prometheus's warnings."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()
    histograms: tuple[HistogramSeries, ...] = ()
