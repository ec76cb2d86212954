"""`monitord stop`."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitord.cli._options import DURATION, session_option
from monitord.cli._output import say, wait_for
from monitord.cli.wait import lives
from monitord.client.status import daemon_status
from monitord.errors import ExitCode, NotReadyError
from monitord.session.folder import Session, open_session
from monitord.session.lease import is_alive_here
from monitord.session.liveness import daemon_holder

if TYPE_CHECKING:
    from monitord.slurm.runner import SlurmRunner


@click.command("stop")
@session_option
@click.option(
    "--timeout", type=DURATION, default="90s", show_default=True, metavar="90s", help="How long to wait."
)
def command(session_name: str, root: Path, timeout: float) -> int:
    """Stop the daemon of a session and wait for its end.

    Open windows are closed and collected first, Prometheus ends cleanly. Of Slurm's jobs those that
    wait are cancelled, the one that runs is told to end, and cancelled when it does not.

    \b
    Example:
      monitord stop --session bench01
    """
    from monitord.client.jobs import may_have_jobs

    session = open_session(root, session_name)
    deadline = time.monotonic() + timeout
    stopped = _stop_jobs(session, deadline) if may_have_jobs(session) else _stop_process(session, deadline)
    what = "stopped" if stopped else "has no running daemon"
    say(f"session {session_name} {what}", err=True)
    return ExitCode.OK


def _stop_process(session: Session, deadline: float) -> bool:
    """End a daemon on this machine; return whether there was one."""
    holder, here = daemon_holder(session), socket.gethostname()
    if holder is None or not lives(session):
        return False
    if holder.host != here:
        there = f"ssh {holder.host} monitord stop --session {session.name} --root {session.root}"
        raise NotReadyError(f"the daemon runs on {holder.host}, pid {holder.pid}; stop it there: {there}")
    os.kill(holder.pid, signal.SIGTERM)

    def is_gone() -> bool:
        return not is_alive_here(holder, here)

    if not _wait(session, is_gone, deadline):
        raise NotReadyError(f"the daemon (pid {holder.pid}) has not ended in time; see {session.log_file}")
    return True


def _stop_jobs(session: Session, deadline: float) -> bool:
    """End the session's jobs; return whether there was anything to end."""
    from monitord.client.jobs import all_jobs
    from monitord.slurm.runner import SlurmRunner

    slurm, jobs = SlurmRunner(), all_jobs(session)
    daemon = daemon_status(session)
    own = daemon.get("slurm_job_id") if (daemon.get("slurm") or {}).get("signals_reach") else None
    # Slurm says that it runs: a heartbeat says less, for its host's clock may be wrong.
    told = [job for job in jobs if own in job.names and job.state == "RUNNING"][:1]
    # Those that wait first: the end of the one that runs would have its successor start.
    if others := [job.id for job in jobs if job not in told]:
        slurm.cancel(*others)
    if not told:
        return _stop_process(session, deadline) or bool(jobs)
    try:
        _end_job(session, slurm, told[0].id, deadline)
    finally:  # a successor whose submission was under way just now
        if late := [job.id for job in all_jobs(session) if job.state in ("PENDING", "RUNNING")]:
            slurm.cancel(*late)
    return True


def _end_job(session: Session, slurm: SlurmRunner, job_id: str, deadline: float) -> None:
    from monitord.client.jobs import seldom

    slurm.signal_batch(job_id, "TERM")

    def is_over() -> bool:
        return slurm.job(job_id) is None

    if not _wait(session, is_over, deadline, seldom):
        slurm.cancel(job_id)
        raise NotReadyError(
            f"job {job_id} had not ended in time and was cancelled; what its windows lack is collected "
            f"by the next daemon of the session; see {session.log_file}"
        )


def _wait(
    session: Session,
    done: Callable[[], bool],
    deadline: float,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    def describe() -> str:
        return f"waiting for the daemon to end: {daemon_status(session).get('phase')}"

    return wait_for(done, max(deadline - time.monotonic(), 0.0), describe, pause)
