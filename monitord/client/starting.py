"""Starting a session's daemon on this machine."""

from __future__ import annotations

from pathlib import Path

from monitord.client.daemon_command import DaemonOptions, daemon_command
from monitord.client.status import daemon_status
from monitord.client.waiting import (
    Progress,
    Show,
    has_daemon,
    ready_check,
    refuse_deletion,
    show_nothing,
    wait_for,
)
from monitord.errors import NotReadyError, PrometheusError
from monitord.session.folder import Session
from monitord.system.children import Child, spawn_detached


def refuse_running(session: Session, show: Show = show_nothing) -> None:
    """Raise NotReadyError when a daemon runs the session, HeldError while it is being deleted."""
    refuse_deletion(session)
    if has_daemon(session, show):
        daemon = daemon_status(session)
        who = f"host {daemon['host']}, pid {daemon['pid']}, since {daemon['started_at']}"
        raise NotReadyError(f"session {session.name} is running already: {who}")


def start_here(session: Session, options: DaemonOptions, timeout: float, show: Show = show_nothing) -> None:
    """Start the daemon in the background and wait until it is ready.

    Raises PrometheusError when the daemon ends, NotReadyError when the time is over; it then keeps running.
    """
    output = session.logs / "daemon.out"
    daemon = spawn_detached(daemon_command(session, options), output)
    is_ready = ready_check(session)

    def check() -> Progress:
        _refuse_end(session, daemon, output)
        return is_ready()

    try:
        wait_for(check, "the daemon to be ready", timeout, show)
    except NotReadyError as error:
        raise NotReadyError(
            f"{error}; it keeps trying: see {session.log_file}, or end it with: "
            f"monitord stop -s {session.name}"
        ) from None


def _refuse_end(session: Session, daemon: Child, output: Path) -> None:
    if daemon.poll() is not None:
        reason = daemon_status(session).get("last_error") or f"see {output}"
        raise PrometheusError(f"the daemon ended with exit code {daemon.poll()}: {reason}")
