"""Rows of a summary of series, written short."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

import numpy as np

from monitord.collect.series_summary import NUMBERS, TEXTS, SeriesRows

SECONDS = 10.0


class Row(NamedTuple):
    """A row: its texts, and its numbers by name."""

    texts: tuple[str, ...]
    numbers: dict[str, float]


def gauge(metric: str, mean: float, std: float = 0.0, n: int = 10, job: str = "web", **labels: str) -> Row:
    return Row(_texts(metric, "gauge", job, labels), {"n": n, "mean": mean, "std": std})


def counter(
    metric: str, rate: float, error: float = 0.0, kind: str = "counter", job: str = "web", **labels: str
) -> Row:
    """Return the row of a counter, whose rate may be off by some error."""
    numbers = {
        "n": 10.0, "mean": 1.0, "std": 1.0, "rate": rate, "increase": rate * SECONDS,
        "increase_lo": max(0.0, rate - error) * SECONDS, "increase_hi": (rate + error) * SECONDS,
    }  # fmt: skip
    return Row(_texts(metric, kind, job, labels), numbers)


def run_of(*rows: Row) -> SeriesRows:
    numbers = [[row.numbers.get(name, math.nan) for name in NUMBERS] for row in rows]
    return SeriesRows([row.texts for row in rows], np.array(numbers).reshape(len(rows), len(NUMBERS)))


def _texts(metric: str, kind: str, job: str, labels: dict[str, str]) -> tuple[str, ...]:
    own = {name: labels.pop(name, "") for name in ("instance", "client", "node", "gpu")}
    others = json.dumps(dict(sorted(labels.items())), separators=(",", ":"))
    found = {"metric": metric, "type": kind, "job": job, "service": job, "labels": others, **own}
    return tuple(found[name] for name in TEXTS)
