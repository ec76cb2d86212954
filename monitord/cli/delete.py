"""`monitord delete`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import session_option
from monitord.cli._output import print_line, progress
from monitord.errors import ExitCode
from monitord.session.folder import open_session


@click.command("delete")
@session_option
@click.option("--keep-artifacts", is_flag=True, help="Keep the folder artifacts/.")
def command(session_name: str, root: Path, keep_artifacts: bool) -> int:
    """Delete the folder of a stopped session.

    This takes half a minute when the last daemon ran on another host and did not end cleanly: its
    heartbeat is watched first.

    \b
    Example:
      monitord delete --session bench01 --keep-artifacts
    """
    from monitord.client.deletion import delete

    session = open_session(root, session_name)
    with progress() as shown:
        delete(session, keep_artifacts=keep_artifacts, show=shown.show)
    if keep_artifacts:
        print_line(session.artifacts)
    return ExitCode.OK
