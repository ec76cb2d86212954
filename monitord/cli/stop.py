"""`monitord stop`."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import click

from monitord.cli.options import DURATION, open_session, session_option
from monitord.cli.output import wait_for
from monitord.durations import format_duration
from monitord.errors import ExitCode, NotReadyError
from monitord.lease import is_alive_here, read_holder
from monitord.overview import daemon_status


@click.command("stop")
@session_option
@click.option(
    "--timeout", type=DURATION, default="90s", show_default=True, metavar="90s", help="How long to wait."
)
def command(session_name: str, root: Path, timeout: float) -> int:
    """Stop the daemon of a session and wait for its end.

    Open windows are closed and collected first, Prometheus ends cleanly.

    \b
    Example:
      monitord stop --session bench01
    """
    session = open_session(root, session_name)
    holder = read_holder(session.lease)
    here = socket.gethostname()
    if holder is not None and holder.host != here:
        there = f"ssh {holder.host} monitord stop --session {session_name} --root {root}"
        raise NotReadyError(f"the daemon runs on {holder.host}, pid {holder.pid}; stop it there: {there}")
    if holder is None or not is_alive_here(holder, here):
        click.echo(f"session {session_name} has no running daemon", err=True)
        return ExitCode.OK
    os.kill(holder.pid, signal.SIGTERM)

    def describe() -> str:
        return f"waiting for the daemon to end: {daemon_status(session).get('phase')}"

    if not wait_for(lambda: not is_alive_here(holder, here), timeout, describe):
        late = f"has not ended after {format_duration(timeout)}"
        raise NotReadyError(f"the daemon (pid {holder.pid}) {late}; see {session.log_file}")
    click.echo(f"session {session_name} stopped", err=True)
    return ExitCode.OK
