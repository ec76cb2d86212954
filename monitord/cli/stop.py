"""`monitord stop`."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import click

from monitord.cli.options import DURATION, open_session, session_option
from monitord.cli.output import say, wait_for
from monitord.errors import ExitCode, NotReadyError
from monitord.lease import is_alive_here, read_holder
from monitord.overview import daemon_status, is_running
from monitord.session import Session


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
    from monitord.cli.jobs import job_ids

    session = open_session(root, session_name)
    deadline = time.monotonic() + timeout
    running = is_running(session, time.time())
    if job_ids(session):
        stopped = _stop_jobs(session, running, deadline)
    else:
        stopped = running and _stop_process(session, deadline)
    what = "stopped" if stopped else "has no running daemon"
    say(f"session {session_name} {what}", err=True)
    return ExitCode.OK


def _stop_process(session: Session, deadline: float) -> bool:
    """End a daemon on this machine; return whether there was one."""
    holder, here = read_holder(session.lease), socket.gethostname()
    if holder is None:
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


def _stop_jobs(session: Session, running: bool, deadline: float) -> bool:
    """End the session's jobs; return whether there was anything to end."""
    from monitord.cli.jobs import queued_jobs, seldom
    from monitord.slurm.runner import SlurmRunner

    slurm, jobs = SlurmRunner(), queued_jobs(session)
    daemon = daemon_status(session)
    own = daemon.get("slurm_job_id") if (daemon.get("slurm") or {}).get("signals_reach") else None
    told = [job for job in jobs if running and own in job.names]
    # Those that wait first: the end of the one that runs would have its successor start.
    if others := [job.id for job in jobs if job not in told]:
        slurm.cancel(*others)
    if not told:
        return (running and _stop_process(session, deadline)) or bool(jobs)
    slurm.signal_batch(told[0].id, "TERM")

    def is_over() -> bool:
        return not is_running(session, time.time()) and slurm.job(told[0].id) is None

    if not _wait(session, is_over, deadline, seldom):
        slurm.cancel(told[0].id)
        raise NotReadyError(
            f"job {told[0].id} had not ended in time and was cancelled; what its windows lack is collected "
            f"by the next daemon of the session; see {session.log_file}"
        )
    return True


def _wait(
    session: Session,
    done: Callable[[], bool],
    deadline: float,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    def describe() -> str:
        return f"waiting for the daemon to end: {daemon_status(session).get('phase')}"

    return wait_for(done, max(deadline - time.monotonic(), 0.0), describe, pause)
