"""What monitoring itself cost while a window was open (pure)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used so far. `run` distinguishes one run from the next, even with the same pid."""

    run: tuple[int, int]
    cpu_seconds: float
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class Moment:
    """The processes at one time (Unix seconds); None for one that did not run."""

    at: float
    daemon: Usage | None
    prometheus: Usage | None
    collector: Usage | None = None


def own_cost(moments: Sequence[Moment], start: float, end: float) -> dict[str, Any]:
    """Return the CPU seconds and the peak memory of each between two times; None is unknown.

    `moments` are in the order of time. Between two of them CPU time is taken to be used evenly; memory is
    the most that was seen at any of them, from just before the window to just after it.
    """
    return {
        "daemon": _of([(moment.at, moment.daemon) for moment in moments], start, end),
        "prometheus": _of([(moment.at, moment.prometheus) for moment in moments], start, end),
        "collector": _of([(moment.at, moment.collector) for moment in moments], start, end),
    }


def _of(seen: Sequence[tuple[float, Usage | None]], start: float, end: float) -> dict[str, Any]:
    is_covered = bool(seen) and seen[0][0] <= start and end <= seen[-1][0]
    used = _cumulative(seen) if is_covered else []
    times = [at for at, _ in seen]
    # The last moment before it and the first after it are as near as can be seen to its edges.
    around = seen[max(bisect_right(times, start) - 1, 0) : bisect_left(times, end) + 1] if is_covered else ()
    return {
        "cpu_seconds": round(_at(end, times, used) - _at(start, times, used), 3) if used else None,
        "peak_resident_bytes": max((usage.resident_bytes for _, usage in around if usage), default=None),
    }


def _cumulative(seen: Sequence[tuple[float, Usage | None]]) -> list[float]:
    """Return how much CPU time was used since the first moment, over all runs."""
    used = [0.0]
    for (_, before), (_, after) in pairwise(seen):
        if after is None:
            used.append(used[-1])
        elif before is not None and before.run == after.run:
            used.append(used[-1] + max(after.cpu_seconds - before.cpu_seconds, 0.0))
        else:
            used.append(used[-1] + after.cpu_seconds)
    return used


def _at(moment: float, times: Sequence[float], used: Sequence[float]) -> float:
    index = bisect_left(times, moment)
    if times[index] == moment or index == 0:
        return used[index]
    share = (moment - times[index - 1]) / (times[index] - times[index - 1])
    return used[index - 1] + share * (used[index] - used[index - 1])
