"""What the demo's service does and what truly happened: service times, schedule, truth. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypedDict

MEDIAN_SECONDS = 0.020
SPREAD = 0.35  # of the logarithm
# Three in a hundred, and near one another: p99 is then well inside the bucket from 250 to 500 ms in
# any window of a few seconds, so that what Prometheus makes of it can be held against the truth.
SLOW_SHARE = 0.03
SLOW_MEDIAN_SECONDS = 0.350
SLOW_SPREAD = 0.08
SHORTEST_SECONDS, LONGEST_SECONDS = 0.001, 2.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the service has answered; `finished` is in Unix seconds."""

    finished: float
    seconds: float
    code: int


class Truth(TypedDict):
    """What happened in a window; times in seconds, and None where nothing did."""

    requests: int
    errors: int
    rate: float
    mean: float | None
    min: float | None
    max: float | None
    p50: float | None
    p95: float | None
    p99: float | None


def service_times(seed: int) -> Iterator[float]:
    """Yield seconds: log-normal around 20 ms, and for three requests of a hundred around 350 ms."""
    source = random.Random(seed)  # noqa: S311  # repeatable, not secret
    while True:
        slow = source.random() < SLOW_SHARE
        median, spread = (SLOW_MEDIAN_SECONDS, SLOW_SPREAD) if slow else (MEDIAN_SECONDS, SPREAD)
        seconds = source.lognormvariate(math.log(median), spread)
        yield min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)


def send_time(start: float, rate: float, number: int) -> float:
    """Return when request `number` (from 0) is due at `rate` per second, come what may."""
    return start + number / rate


def workers_for(rate: float) -> int:
    """Return how many connections keep `rate` up: five times what is under way on average."""
    return min(max(4, math.ceil(rate * 5 * 0.03)), 256)


def truth(requests: Iterable[Request], start: float, end: float) -> Truth:
    """Return what the requests of `start` < finished <= `end` were.

    A percentile is the shortest time that at least that share of the requests did not exceed.
    Raises ValueError when the window has no length.
    """
    if not start < end:
        raise ValueError("the window must end after it starts")
    inside = [request for request in requests if start < request.finished <= end]
    seconds = sorted(request.seconds for request in inside)
    return {
        "requests": len(inside),
        "errors": sum(request.code >= 500 for request in inside),
        "rate": len(inside) / (end - start),
        "mean": math.fsum(seconds) / len(seconds) if seconds else None,
        "min": seconds[0] if seconds else None,
        "max": seconds[-1] if seconds else None,
        "p50": _percentile(seconds, 50),
        "p95": _percentile(seconds, 95),
        "p99": _percentile(seconds, 99),
    }


def _percentile(ordered: list[float], percent: int) -> float | None:
    rank = -(-len(ordered) * percent // 100)
    return ordered[rank - 1] if ordered else None
