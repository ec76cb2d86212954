"""`monitord service-register`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import label_option, session_option
from monitord.cli._output import print_registration
from monitord.errors import ExitCode
from monitord.session.folder import open_session


@click.command("service-register")
@session_option
@click.option("--client-id", required=True, metavar="C", help="The client that the service belongs to.")
@click.option("--name", required=True, metavar="NAME", help="The service's name.")
@click.option("--endpoint", required=True, metavar="URL", help="The URL of the service's metrics.")
@click.option(
    "--lease", metavar="10m", help="Withdraw the service when its file is not touched for this long."
)
@click.option(
    "--slurm-job",
    metavar="J",
    help="Withdraw the service when this Slurm job leaves the queue [default: the client's job].",
)
@label_option
def command(
    session_name: str,
    root: Path,
    client_id: str,
    name: str,
    endpoint: str,
    lease: str | None,
    slurm_job: str | None,
    labels: tuple[tuple[str, str], ...],
) -> int:
    """Register a service of a client.

    Writes a target file into the session's targets/ and prints its path.

    \b
    Example:
      monitord service-register --session bench01 --client-id c1 --name triton \\
          --endpoint http://mel0042:8000/metrics --label model=llama3-8b
    """
    from monitord.client.registrations import register_service

    session = open_session(root, session_name)
    file = register_service(
        session, client_id, name, endpoint, labels=dict(labels), lease=lease, slurm_job=slurm_job
    )
    print_registration(session, file)
    return ExitCode.OK
