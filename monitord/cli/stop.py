"""`monitord stop`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import DURATION, session_option
from monitord.cli._output import print_line, progress
from monitord.errors import ExitCode
from monitord.session.folder import open_session


@click.command("stop")
@session_option
@click.option(
    "--timeout", type=DURATION, default="90s", show_default=True, metavar="90s", help="How long to wait."
)
def command(session_name: str, root: Path, timeout: float) -> int:
    """Stop the daemon of a session and wait for its end.

    The daemon first closes and collects open windows, then stops Prometheus. Slurm jobs of the session
    that are still pending are cancelled. The running one gets SIGTERM, and is cancelled on a time-out.

    \b
    Example:
      monitord stop --session bench01
    """
    from monitord.client.stopping import stop

    session = open_session(root, session_name)
    with progress() as shown:
        stopped = stop(session, timeout, shown.show)
    what = "stopped" if stopped else "has no running daemon"
    print_line(f"session {session_name} {what}", err=True)
    return ExitCode.OK
