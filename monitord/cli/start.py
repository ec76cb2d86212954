"""`monitord start`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import click

from monitord.children import Child, spawn_detached
from monitord.cli.options import DURATION, daemon_options, open_session, session_option
from monitord.cli.wait import await_goal, ready_check
from monitord.errors import ExitCode, NotReadyError, PrometheusError
from monitord.overview import daemon_status, is_running
from monitord.session import Session


@click.command("start")
@session_option
@click.option(
    "--local", is_flag=True, required=True, help="Run the daemon on this machine, in the background."
)
@daemon_options
@click.option(
    "--timeout", type=DURATION, default="60s", show_default=True, metavar="60s", help="How long to wait."
)
def command(session_name: str, root: Path, timeout: float, **flags: Any) -> int:
    """Start the daemon of a session in the background, wait until it is ready, print Prometheus's URL.

    \b
    Example:
      monitord start --session bench01 --local
    """
    session = open_session(root.absolute(), session_name)
    if is_running(session, time.time()):
        daemon = daemon_status(session)
        who = f"host {daemon['host']}, pid {daemon['pid']}, since {daemon['started_at']}"
        raise NotReadyError(f"session {session_name} is running already: {who}")
    output = session.logs / "daemon.out"
    daemon_process = spawn_detached([*_command(session), *_pass_on(flags)], output)
    _await_ready(session, daemon_process, output, timeout)
    click.echo(daemon_status(session)["prometheus"]["url"])
    return ExitCode.OK


def _command(session: Session) -> list[str]:
    return [sys.executable, "-m", "monitord", "run", "--root", str(session.root), "--session", session.name]


def _pass_on(flags: dict[str, Any]) -> list[str]:
    """Return the flags of `run` that were given to `start`."""
    given = []
    for name, value in flags.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True and name != "local":
            given.append(flag)
        elif value not in (None, True, False):
            given += [flag, str(value)]
    return given


def _await_ready(session: Session, daemon: Child, output: Path, timeout: float) -> None:
    ready = ready_check(session)

    def check() -> tuple[bool, str]:
        if daemon.poll() is not None:
            reason = daemon_status(session).get("last_error") or f"see {output}"
            raise PrometheusError(f"the daemon ended with exit code {daemon.poll()}: {reason}")
        return ready()

    try:
        await_goal(check, "the daemon to be ready", timeout)
    except NotReadyError as error:
        how = f"it goes on trying; see {session.log_file}, or end it with: monitord stop -s {session.name}"
        raise NotReadyError(f"{error}; {how}") from None
