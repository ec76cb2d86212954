"""`monitord service-unregister`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import session_option
from monitord.errors import ExitCode, InvalidInputError
from monitord.session.folder import open_session


@click.command("service-unregister")
@session_option
@click.option("--client-id", required=True, metavar="C", help="The client that the service belongs to.")
@click.option("--name", required=True, metavar="NAME", help="The service's name.")
def command(session_name: str, root: Path, client_id: str, name: str) -> int:
    """Withdraw a service: remove the file that service-register dropped for it.

    \b
    Example:
      monitord service-unregister --session bench01 --client-id c1 --name triton
    """
    from monitord.cli.registrations import service_file, withdraw

    session = open_session(root, session_name)
    file = service_file(session, client_id, name)
    if not file.exists():
        raise InvalidInputError(f"service {name} of client {client_id} is not registered: there is no {file}")
    withdraw([file])
    return ExitCode.OK
