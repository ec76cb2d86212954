"""`monitord client-disconnect`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import session_option
from monitord.cli._output import print_line
from monitord.errors import ExitCode
from monitord.session.folder import open_session


@click.command("client-disconnect")
@session_option
@click.option("--client-id", required=True, metavar="C", help="The client's name.")
def command(session_name: str, root: Path, client_id: str) -> int:
    """Withdraw a client and all of its services.

    Removes the files that client-connect and service-register wrote, and prints their paths.

    \b
    Example:
      monitord client-disconnect --session bench01 --client-id c1
    """
    from monitord.client.registrations import disconnect_client

    for file in disconnect_client(open_session(root, session_name), client_id):
        print_line(file)
    return ExitCode.OK
