"""The statistics of the bench, and the table that it prints. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

COLUMNS = ("MEASURE", "VALUE", "FLOOR, PEER OR AIM", "RATIO", "AIM", "MET?")


@dataclass(frozen=True, slots=True)
class Row:
    """One measure: `ratio` compares `value` with `peer`, and should be `aim` at most."""

    measure: str
    value: str
    peer: str = ""
    ratio: float | None = None
    spread: float | None = None
    aim: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the aim was met; None when there is none, or the ratio is unknown."""
        if self.aim is None or self.ratio is None:
            return None
        return self.ratio <= self.aim


def aimed(measure: str, value: float, aim: float, unit: str) -> Row:
    """Return the row of a measure that should be `aim` at most, in the same unit."""
    digits = f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
    return Row(measure, f"{digits} {unit}", f"{aim:g} {unit}  aim", value / aim, aim=1.0)


def skipped(measure: str, reason: object) -> Row:
    """Return the row of what could not be measured here, and why."""
    return Row(measure, "skipped", str(reason))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` (0 to 1) of all do not exceed.

    Raises ValueError when there is no value.
    """
    if not values:
        raise ValueError("no values, no percentile")
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def ratio_of_means(values: Sequence[float], peers: Sequence[float]) -> tuple[float, float]:
    """Return the ratio of the means of paired measurements, and its standard error.

    The pairs share what disturbs them, so the error comes from their differences, not from how
    much the trials differ among themselves. Raises ValueError for fewer than two pairs.
    """
    if len(values) < 2:
        raise ValueError("two pairs at least")
    mean = fmean(peers)
    ratio = fmean(values) / mean
    residuals = [value - ratio * peer for value, peer in zip(values, peers, strict=True)]
    variance = sum(residual**2 for residual in residuals) / (len(residuals) - 1)
    return ratio, math.sqrt(variance / len(residuals)) / mean


def table(rows: Sequence[Row]) -> str:
    """Return all rows as one aligned table."""
    lines = [COLUMNS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in lines
    )


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    if row.spread is not None:
        ratio += f" ± {row.spread:.2f}"
    aim = "" if row.aim is None else f"<= {row.aim:g}"
    return row.measure, row.value, row.peer, ratio, aim, {True: "yes", False: "NO", None: ""}[row.met]
