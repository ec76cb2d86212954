"""`monitord wait`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import DURATION, session_option
from monitord.cli._output import progress
from monitord.client.waiting import check_for, wait_for
from monitord.errors import ExitCode
from monitord.session.folder import open_session


@click.command("wait")
@session_option
@click.option("--for", "goal", required=True, metavar="ready|target=FILE|window=ID", help="What to wait for.")
@click.option(
    "--timeout", type=DURATION, default="60s", show_default=True, metavar="60s", help="How long to wait."
)
def command(session_name: str, root: Path, goal: str, timeout: float) -> int:
    """Wait until the daemon is ready, a target file is scraped, or a window is collected.

    A target file is scraped when it was accepted and all of its endpoints are up. Exits with 3 on a
    time-out, with 1 when the file was refused or the window failed or was cancelled, and with 6 when the
    daemon no longer restarts Prometheus.

    \b
    Example:
      monitord wait --session bench01 --for ready
      monitord wait --session bench01 --for target=c1.yaml --timeout 30s
      monitord wait --session bench01 --for window=run01
    """
    session = open_session(root, session_name)
    try:
        check = check_for(session, goal)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None
    with progress() as shown:
        wait_for(check, goal, timeout, shown.show)
    return ExitCode.OK
