"""What the daemon reports of itself, over and over: to systemd, and in `status/daemon.json`.

The two are apart: the main loop feeds systemd's watchdog, and the loop of the session folder publishes there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitord import __version__
from monitord.daemon.allocation import AllocationWatch
from monitord.daemon.handover import Handover
from monitord.daemon.service_notify import ALIVE, ServiceNotify
from monitord.daemon.stalls import StallWatch, stall_json
from monitord.daemon.usage import UsageLog
from monitord.daemon.watching import Watching
from monitord.documents.timestamps import to_iso
from monitord.prometheus.child.supervised import SupervisedPrometheus
from monitord.session.held import HeldSession
from monitord.session.lease import HEARTBEAT_SECONDS, Holder
from monitord.slurm.allocation import Allocation
from monitord.system.atomic import to_json
from monitord.system.clock import Clock


@dataclass(slots=True)
class Heartbeat:
    """The phase that the daemon is in, and all else that it reports. `failure` says which parts fail."""

    session: HeldSession
    holder: Holder
    clock: Clock
    prometheus: SupervisedPrometheus
    allocation: AllocationWatch
    handover: Handover | None
    watching: Watching
    usage: UsageLog
    service: ServiceNotify
    stalls: StallWatch
    failure: Callable[[], str]
    phase: str = "starting"
    last_error: str = ""
    _copied: dict[Path, tuple[bytes, int | None]] = field(default_factory=dict)

    def pulse(self) -> float:
        """Tell systemd how it is; return in how many seconds to do so again. For the main loop."""
        self.usage.note()
        self.service.tell_status(self._in_one_line(), ALIVE)
        return HEARTBEAT_SECONDS

    def publish(self) -> float:
        """Publish `status/daemon.json`, and before it what it names; return in how many seconds again.

        Where there is no room for it, at least its time changes. Raises OSError.
        """
        try:
            self._publish()
        except OSError:
            # Who watches from another host would else take this daemon for dead.
            with suppress(OSError):
                os.utime(self.session.daemon_status)
            raise
        return HEARTBEAT_SECONDS

    def _publish(self) -> None:
        prometheus = self.prometheus.published
        for path, (content, mode) in prometheus.files.items():
            if self._copied.get(path) != (content, mode):
                self.session.publish(path, content, mode)
                self._copied[path] = (content, mode)
        status = {**self._status(prometheus.status), "updated_at": to_iso(self.clock.now())}
        self.session.publish(self.session.daemon_status, to_json(status))

    def _in_one_line(self) -> str:
        where = self.prometheus.url or f"Prometheus is {self.prometheus.phase.value}"
        return "; ".join(filter(None, (self.phase, where, self.stalls.text, self._what_is_wrong())))

    def _what_is_wrong(self) -> str:
        return self.last_error or self.prometheus.last_error or self.failure()

    def _status(self, prometheus: Mapping[str, Any]) -> dict[str, Any]:
        allocation, ends_at = self.allocation.allocation, self.allocation.ends_at
        return {
            "phase": self.phase,
            "host": self.holder.host,
            "pid": self.holder.pid,
            "term": self.holder.term,
            "version": __version__,
            "slurm_job_id": allocation.job_id if allocation else None,
            "restart_count": allocation.restart_count if allocation else 0,
            "slurm": allocation and {**allocation.as_json(), "signals_reach": _is_signalled(allocation)},
            "prometheus": prometheus,
            "watch": self.watching.mode,
            "last_stall": self.stalls.last and stall_json(self.stalls.last),
            "started_at": self.holder.since,
            "successor_job_id": self.handover.successor if self.handover else None,
            "allocation_ends_at": None if ends_at is None else to_iso(ends_at),
            "last_error": self._what_is_wrong() or None,
        }


def _is_signalled(allocation: Allocation) -> bool:
    """Say whether a signal to the batch script reaches this daemon: it, or its parent, became that."""
    return allocation.batch_pid in (os.getpid(), os.getppid())
