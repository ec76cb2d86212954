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


@dataclass(frozen=True, slots=True)
class Answer:
    """All series of one query, and what Prometheus warned of."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()
