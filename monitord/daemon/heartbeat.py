"""What the daemon tells of itself, over and over: `status/daemon.json`, and systemd."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from monitord import __version__
from monitord.atomic import publish, to_json
from monitord.clock import Clock, to_iso
from monitord.daemon.allocation import AllocationWatch
from monitord.daemon.handover import Handover
from monitord.daemon.usage import UsageLog
from monitord.daemon.watching import Watching
from monitord.lease import HEARTBEAT_SECONDS, Holder
from monitord.prometheus.supervised import SupervisedPrometheus
from monitord.service_notify import ALIVE, ServiceNotify
from monitord.session import Session
from monitord.slurm.allocation import Allocation


@dataclass(slots=True)
class Heartbeat:
    """The phase that the daemon is in, and all else that it tells. `failure` says which parts fail."""

    session: Session
    holder: Holder
    clock: Clock
    prometheus: SupervisedPrometheus
    allocation: AllocationWatch
    handover: Handover | None
    watching: Watching
    usage: UsageLog
    service: ServiceNotify
    failure: Callable[[], str]
    phase: str = "starting"
    last_error: str = ""

    def beat(self) -> float:
        """Tell how it is; return in how many seconds to tell again."""
        self.usage.note()
        self.publish()
        self.service.tell_status(self._in_one_line(), ALIVE)
        return HEARTBEAT_SECONDS

    def publish(self) -> None:
        """Publish `status/daemon.json`; where there is no room for it, at least its time. Raises OSError."""
        content = to_json({**self._status(), "updated_at": to_iso(self.clock.now())})
        try:
            publish(self.session.daemon_status, content, self.session.file_mode)
        except OSError:
            # Who watches from another host would else take this daemon for dead.
            with suppress(OSError):
                os.utime(self.session.daemon_status)
            raise

    def _in_one_line(self) -> str:
        where = self.prometheus.url or f"Prometheus is {self.prometheus.phase.value}"
        return "; ".join(filter(None, (self.phase, where, self._what_is_wrong())))

    def _what_is_wrong(self) -> str:
        return self.last_error or self.prometheus.last_error or self.failure()

    def _status(self) -> dict[str, Any]:
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
            "prometheus": self.prometheus.status(),
            "watch": self.watching.mode,
            "started_at": self.holder.since,
            "successor_job_id": self.handover.successor if self.handover else None,
            "allocation_ends_at": None if ends_at is None else to_iso(ends_at),
            "last_error": self._what_is_wrong() or None,
        }


def _is_signalled(allocation: Allocation) -> bool:
    """Say whether a signal to the batch script reaches this daemon: it, or its parent, became that."""
    return allocation.batch_pid in (os.getpid(), os.getppid())
