"""`monitord client-disconnect`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import session_option
from monitord.errors import ExitCode, InvalidInputError
from monitord.session.folder import open_session
from monitord.system.listing import paths_in


@click.command("client-disconnect")
@session_option
@click.option("--client-id", required=True, metavar="C", help="The client's name.")
def command(session_name: str, root: Path, client_id: str) -> int:
    """Withdraw a client: remove the files that client-connect and service-register dropped for it.

    \b
    Example:
      monitord client-disconnect --session bench01 --client-id c1
    """
    from monitord.cli.registrations import client_file, withdraw

    session = open_session(root, session_name)
    own = client_file(session, client_id)
    files = [file for file in (own, *paths_in(session.targets, f"{client_id}+", ".yaml")) if file.exists()]
    if not files:
        raise InvalidInputError(f"client {client_id} has registered nothing in session {session_name}")
    withdraw(files)
    return ExitCode.OK
