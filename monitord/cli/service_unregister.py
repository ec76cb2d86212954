"""`monitord service-unregister`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import session_option
from monitord.cli._output import print_line
from monitord.errors import ExitCode
from monitord.session.folder import open_session


@click.command("service-unregister")
@session_option
@click.option("--client-id", required=True, metavar="C", help="The client that the service belongs to.")
@click.option("--name", required=True, metavar="NAME", help="The service's name.")
def command(session_name: str, root: Path, client_id: str, name: str) -> int:
    """Withdraw one service of a client.

    Removes the file that service-register wrote, and prints its path.

    \b
    Example:
      monitord service-unregister --session bench01 --client-id c1 --name triton
    """
    from monitord.client.registrations import unregister_service

    print_line(unregister_service(open_session(root, session_name), client_id, name))
    return ExitCode.OK
