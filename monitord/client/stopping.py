"""Stopping a session's daemon: its process on this machine, or its Slurm jobs."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monitord.client.jobs import all_jobs, may_have_jobs, pause_between_queries
from monitord.client.status import daemon_status
from monitord.client.waiting import Show, has_daemon, show_nothing, wait_until
from monitord.errors import NotReadyError
from monitord.session.folder import Session
from monitord.session.lease import daemon_holder, is_alive_here
from monitord.slurm.runner import SlurmRunner

if TYPE_CHECKING:
    from monitord.slurm.job import Job


def stop(session: Session, timeout: float, show: Show = show_nothing) -> bool:
    """Stop the session's daemon and wait for its end; return whether there was anything to stop.

    Raises NotReadyError when the time is over, or when the daemon runs on another machine.
    """
    stopping = _Stopping(session, time.monotonic() + timeout, show)
    return stopping.stop_jobs() if may_have_jobs(session, daemon_status(session)) else stopping.stop_process()


@dataclass(slots=True)
class _Stopping:
    session: Session
    deadline: float
    show: Show
    slurm: SlurmRunner = field(default_factory=SlurmRunner)

    def stop_process(self) -> bool:
        """End a daemon on this machine; return whether there was one."""
        session, holder, here = self.session, daemon_holder(self.session.lease), socket.gethostname()
        if holder is None or not has_daemon(session, self.show):
            return False
        if holder.host != here:
            there = f"ssh {holder.host} monitord stop --session {session.name} --root {session.root}"
            raise NotReadyError(f"the daemon runs on {holder.host}, pid {holder.pid}; stop it there: {there}")
        os.kill(holder.pid, signal.SIGTERM)
        if not self._wait(lambda: not is_alive_here(holder, here)):
            raise NotReadyError(
                f"timed out: the daemon (pid {holder.pid}) is still running; see {session.log_file}"
            )
        return True

    def stop_jobs(self) -> bool:
        """End the session's jobs; return whether there was anything to end."""
        jobs = self._jobs()
        running = self._running(jobs)
        # Those that wait first: the end of the one that runs would have its successor start.
        if others := [job.id for job in jobs if job is not running]:
            self.slurm.cancel(*others)
        if running is None:
            return self.stop_process() or bool(jobs)
        try:
            self._end_job(running.id)
        finally:  # a successor whose submission was under way just now
            if late := [job.id for job in self._jobs() if job.state in ("PENDING", "RUNNING")]:
                self.slurm.cancel(*late)
        return True

    def _jobs(self) -> tuple[Job, ...]:
        return all_jobs(self.session, daemon_status(self.session))

    def _running(self, jobs: tuple[Job, ...]) -> Job | None:
        """Return the job whose batch script passes a signal on to the daemon."""
        daemon = daemon_status(self.session)
        own = daemon.get("slurm_job_id") if (daemon.get("slurm") or {}).get("signals_reach") else None
        # Slurm's state decides: a heartbeat proves less, for its host's clock may be wrong.
        return next((job for job in jobs if own in job.names and job.state == "RUNNING"), None)

    def _end_job(self, job_id: str) -> None:
        self.slurm.signal_batch(job_id, "TERM")
        if not self._wait(lambda: self.slurm.job(job_id) is None, pause_between_queries):
            self.slurm.cancel(job_id)
            raise NotReadyError(
                f"timed out: job {job_id} was still running and has been cancelled; the next daemon of the "
                f"session will finish collecting its windows; see {self.session.log_file}"
            )

    def _wait(self, done: Callable[[], bool], pause: Callable[[float], None] = time.sleep) -> bool:
        def show() -> None:
            self.show(f"waiting for the daemon to end: {daemon_status(self.session).get('phase')}")

        return wait_until(done, max(self.deadline - time.monotonic(), 0.0), show, pause=pause)
