"""CPU time and memory that the daemon, its Prometheus and its reader of raw samples use."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from monitord.collect.cost import Moment, Usage
from monitord.system.clock import Clock

KEPT = 2 * 86400 // 5
"""Two days of heartbeats; the cost of older windows is unknown."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Process(Protocol):
    """A process that may not be there."""

    @property
    def pid(self) -> int | None:
        """Its id; None while it does not run. Any thread may ask."""


@dataclass(slots=True)
class UsageLog:
    """What was used so far, noted at every heartbeat."""

    clock: Clock
    prometheus: Process
    collector: Process
    _moments: deque[Moment] = field(default_factory=lambda: deque(maxlen=KEPT))

    def note(self) -> None:
        """Note the usage now."""
        self._moments.append(self._now())

    def until_now(self) -> tuple[Moment, ...]:
        """Return all notes, and the usage now. Any thread may call this."""
        return (*tuple(self._moments), self._now())

    def _now(self) -> Moment:
        prometheus, reader = (
            None if pid is None else read_usage(pid) for pid in (self.prometheus.pid, self.collector.pid)
        )
        return Moment(self.clock.now(), read_usage(os.getpid()), prometheus, reader)


def read_usage(pid: int) -> Usage | None:
    """Return the usage of a process with all of its threads; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may contain anything
    user, system, started, resident = (int(fields[index]) for index in (11, 12, 19, 21))
    return Usage((pid, started), (user + system) / _TICKS, resident * _PAGE)
