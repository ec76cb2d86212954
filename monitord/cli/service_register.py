"""`monitord service-register`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli.options import label_option, open_session, session_option
from monitord.errors import ExitCode


@click.command("service-register")
@session_option
@click.option("--client-id", required=True, metavar="C", help="The client that the service belongs to.")
@click.option("--name", required=True, metavar="NAME", help="The service's name.")
@click.option("--endpoint", required=True, metavar="URL", help="The URL of its metrics.")
@label_option
def command(
    session_name: str, root: Path, client_id: str, name: str, endpoint: str, labels: tuple[tuple[str, str], ...]
) -> int:
    """Register a service: drop a target file for it, and print its path.

    \b
    Example:
      monitord service-register --session bench01 --client-id c1 --name triton \\
          --endpoint http://mel0042:8000/metrics --label model=llama3-8b
    """
    from monitord.cli.registrations import register, service_file

    session = open_session(root, session_name)
    service = {"name": name, "endpoint": endpoint, **({"labels": dict(labels)} if labels else {})}
    register(session, service_file(session, client_id, name), {"client": client_id, "services": [service]})
    return ExitCode.OK
