"""`monitord session-create`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import click

from monitord.cli._options import DURATION, root_option
from monitord.cli._output import print_line
from monitord.errors import ExitCode


@click.command("session-create")
@click.option("--run-id", metavar="ID", help="The session's name [default: the date and time].")
@click.option("--prom-host", metavar="H", help="Address that Prometheus listens on [default: 127.0.0.1].")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port of Prometheus; 0: any free one [default: 9090]."
)
@click.option(
    "--scrape-interval", type=DURATION, metavar="5s", help="How often targets are scraped [default: 5s]."
)
@click.option(
    "--group", metavar="G", help="Unix group whose members may register clients and read the results."
)
@root_option
def command(
    run_id: str | None,
    prom_host: str | None,
    port: int | None,
    scrape_interval: float | None,
    group: str | None,
    root: Path,
) -> int:
    """Create a session folder and print its path.

    \b
    Example:
      monitord session-create --run-id bench01 --port 0 --scrape-interval 5s
    """
    from monitord.client.creation import create_session

    name = run_id or time.strftime("session-%Y%m%d-%H%M%S", time.gmtime())
    created = create_session(
        root.absolute(), name, prom_host=prom_host, port=port, scrape_interval=scrape_interval, group=group
    )
    print_line(created.session.folder)
    for warning in created.warnings:
        print_line(f"warning: {warning}", err=True)
    # A session can run on one machine everywhere; sbatch in $PATH suggests a Slurm job.
    how = "--partition P" if shutil.which("sbatch") else "--local"
    print_line(
        f"created session {name}; start its daemon with: monitord start --session {name} {how}", err=True
    )
    return ExitCode.OK
