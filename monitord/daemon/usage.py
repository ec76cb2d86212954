"""Keeping note of what the daemon, its Prometheus and its reader of raw samples use of the machine."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monitord.collect.cost import Moment, Usage
from monitord.system.clock import Clock

KEPT = 2 * 86400 // 5
"""Two days of heartbeats; of what is older the cost is unknown."""

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(slots=True)
class UsageLog:
    """What was used so far, noted at every heartbeat. A pid is None while the process does not run."""

    clock: Clock
    prometheus_pid: Callable[[], int | None]
    reader_pid: Callable[[], int | None] = lambda: None
    _moments: deque[Moment] = field(default_factory=lambda: deque(maxlen=KEPT))

    def note(self) -> None:
        """Note what is used now."""
        self._moments.append(self._now())

    def until_now(self) -> tuple[Moment, ...]:
        """Return all that was noted, and how it is now; any thread may ask."""
        return (*tuple(self._moments), self._now())

    def _now(self) -> Moment:
        prometheus, reader = (
            None if pid is None else read_usage(pid) for pid in (self.prometheus_pid(), self.reader_pid())
        )
        return Moment(self.clock.now(), read_usage(os.getpid()), prometheus, reader)


def read_usage(pid: int) -> Usage | None:
    """Return what a process has used, all of its threads together; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    user, system, started, resident = (int(fields[index]) for index in (11, 12, 19, 21))
    return Usage((pid, started), (user + system) / _TICKS, resident * _PAGE)
