"""The daemon's heartbeat: its state, reported to systemd and in `status/daemon.json`.

The main loop feeds systemd's watchdog; the loop that works on the session folder publishes the file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from monitord import __version__
from monitord.daemon.allocation import AllocationWatch
from monitord.daemon.handover import Handover
from monitord.daemon.phase import Lifecycle
from monitord.daemon.service_notify import ALIVE, ServiceNotify
from monitord.daemon.stalls import StallWatch, stall_json
from monitord.daemon.usage import UsageLog
from monitord.daemon.watching import Watching
from monitord.prometheus.child.status import Status, StatusBoard
from monitord.session.held import HeldSession
from monitord.session.lease import HEARTBEAT_SECONDS, Holder
from monitord.slurm.allocation import Allocation
from monitord.system.atomic import to_json
from monitord.system.clock import Clock
from monitord.system.timestamps import to_iso


class FailingLoop(Protocol):
    """A loop of which parts may fail."""

    @property
    def failure(self) -> str:
        """Which parts fail, and why; empty when none does."""


@dataclass(slots=True)
class Heartbeat:
    """Everything that the daemon reports of itself; `loops` know which of their parts fail."""

    session: HeldSession
    holder: Holder
    clock: Clock
    lifecycle: Lifecycle
    loops: Sequence[FailingLoop]
    prometheus: StatusBoard
    allocation: AllocationWatch
    handover: Handover | None
    watching: Watching
    usage: UsageLog
    service: ServiceNotify
    stalls: StallWatch
    _copied: dict[Path, tuple[bytes, int | None]] = field(default_factory=dict)

    def pulse(self) -> float:
        """Notify systemd; return in how many seconds to do so again. For the main loop."""
        self.usage.note()
        self.service.report_status(self._in_one_line(), ALIVE)
        return HEARTBEAT_SECONDS

    def publish(self) -> float:
        """Publish `status/daemon.json`, after the files that it names; return in how many seconds again.

        On a full disk only the time of the file changes. Raises OSError.
        """
        try:
            self._publish()
        except OSError:
            # Another host would otherwise take this daemon for dead.
            with suppress(OSError):
                os.utime(self.session.daemon_status)
            raise
        return HEARTBEAT_SECONDS

    def _publish(self) -> None:
        prometheus = self.prometheus.latest
        for path, (content, mode) in prometheus.files.items():
            if self._copied.get(path) != (content, mode):
                self.session.publish(path, content, mode)
                self._copied[path] = (content, mode)
        status = {**self._status(prometheus), "updated_at": to_iso(self.clock.now())}
        self.session.publish(self.session.daemon_status, to_json(status))

    def _in_one_line(self) -> str:
        prometheus = self.prometheus.latest
        where = prometheus.url or f"Prometheus is {prometheus.phase.value}"
        return "; ".join(
            filter(None, (self.lifecycle.phase, where, self.stalls.text, self._last_error(prometheus)))
        )

    def _last_error(self, prometheus: Status) -> str:
        return (
            self.lifecycle.error
            or prometheus.error
            or "; ".join(loop.failure for loop in self.loops if loop.failure)
        )

    def _status(self, prometheus: Status) -> dict[str, Any]:
        allocation, ends_at = self.allocation.allocation, self.allocation.ends_at
        return {
            "phase": self.lifecycle.phase,
            "host": self.holder.host,
            "pid": self.holder.pid,
            "term": self.holder.term,
            "version": __version__,
            "slurm_job_id": allocation.job_id if allocation else None,
            "restart_count": allocation.restart_count if allocation else 0,
            "slurm": allocation and {**allocation.as_json(), "signals_reach": _is_signalled(allocation)},
            "prometheus": prometheus.document,
            "watch": self.watching.mode,
            "last_stall": self.stalls.last and stall_json(self.stalls.last),
            "started_at": self.holder.since,
            "successor_job_id": self.handover.successor if self.handover else None,
            "allocation_ends_at": None if ends_at is None else to_iso(ends_at),
            "last_error": self._last_error(prometheus) or None,
        }


def _is_signalled(allocation: Allocation) -> bool:
    """Return whether a signal to the batch script reaches this daemon: the script became it or its parent."""
    return allocation.batch_pid in (os.getpid(), os.getppid())
