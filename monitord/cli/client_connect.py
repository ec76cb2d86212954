"""`monitord client-connect`."""

from __future__ import annotations

from pathlib import Path

import click

from monitord.cli._options import label_option, session_option
from monitord.cli._output import print_registration
from monitord.errors import ExitCode
from monitord.session.folder import open_session


@click.command("client-connect")
@session_option
@click.option("--client-id", required=True, metavar="C", help="The client's name.")
@click.option("--node", metavar="N", help="The client's node [default: this one].")
@click.option("--node-exporter", metavar="H:P", help="Its node_exporter: host:port, a port, or a URL.")
@click.option("--dcgm-exporter", metavar="H:P", help="Its dcgm-exporter: host:port, a port, or a URL.")
@click.option(
    "--lease", metavar="10m", help="Withdraw the client when its file is not touched for this long."
)
@click.option("--slurm-job", metavar="J", help="Withdraw the client when this Slurm job leaves the queue.")
@label_option
def command(
    session_name: str,
    root: Path,
    client_id: str,
    node: str | None,
    node_exporter: str | None,
    dcgm_exporter: str | None,
    lease: str | None,
    slurm_job: str | None,
    labels: tuple[tuple[str, str], ...],
) -> int:
    """Register a client with its node and exporters.

    Writes a target file into the session's targets/ and prints its path.

    \b
    Example:
      monitord client-connect --session bench01 --client-id c1 --node mel0042 \\
          --node-exporter mel0042:9100 --label run=warm
    """
    from monitord.client.registrations import connect_client

    session = open_session(root, session_name)
    exporters = {"node": node_exporter, "dcgm": dcgm_exporter}
    file = connect_client(
        session,
        client_id,
        node=node,
        exporters={kind: address for kind, address in exporters.items() if address is not None},
        labels=dict(labels),
        lease=lease,
        slurm_job=slurm_job,
    )
    print_registration(session, file)
    return ExitCode.OK
