"""`monitord session-create`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from shlex import quote

import click

from monitord.cli._options import DURATION, root_option
from monitord.cli._output import say
from monitord.documents.durations import format_duration
from monitord.errors import ExitCode
from monitord.session.folder import Session
from monitord.system.folders import lets_others_replace, lets_pass
from monitord.system.names import check_name


@click.command("session-create")
@click.option("--run-id", metavar="ID", help="The session's name [default: the date and time].")
@click.option("--prom-host", metavar="H", help="Address that Prometheus listens on [default: 127.0.0.1].")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port of Prometheus; 0 takes a free one [default: 9090]."
)
@click.option(
    "--scrape-interval", type=DURATION, metavar="5s", help="How often targets are scraped [default: 5s]."
)
@click.option("--group", metavar="G", help="Unix group whose members may drop files and read the results.")
@root_option
def command(
    run_id: str | None,
    prom_host: str | None,
    port: int | None,
    scrape_interval: float | None,
    group: str | None,
    root: Path,
) -> int:
    """Create a session folder, and print where it is.

    \b
    Example:
      monitord session-create --run-id bench01 --port 0 --scrape-interval 5s
    """
    from monitord.client.schemas import all_schemas
    from monitord.session.settings import check_settings, render_settings

    name = check_name(run_id or time.strftime("session-%Y%m%d-%H%M%S", time.gmtime()), "session")
    given = {
        "session": name,
        "scrape_interval": None if scrape_interval is None else format_duration(scrape_interval),
        "prometheus.host": prom_host,
        "prometheus.port": port,
    }
    content = render_settings({key: value for key, value in given.items() if value is not None})
    check_settings(content)
    session = Session(root.absolute(), name)
    session.create(content, group, all_schemas())
    say(session.folder)
    _warn(session, group)
    # With Slurm at hand it is a job; anywhere a session goes on one machine too.
    how = "--partition P" if shutil.which("sbatch") else "--local"
    say(f"created session {name}; start its daemon with: monitord start --session {name} {how}", err=True)
    return ExitCode.OK


def _warn(session: Session, group: str | None) -> None:
    """Say what is wrong with a root that was there already: it may hold more than sessions, and stays."""
    root = quote(str(session.root))
    if lets_others_replace(session.root):
        say(
            f"warning: anybody could put another folder in the session's place; run: chmod +t {root}",
            err=True,
        )
    group_id = session.folder.stat().st_gid
    for folder in (session.root, *session.root.parents) if group else ():
        if not lets_pass(folder, group_id):
            say(
                f"warning: the group {group} does not get through {folder}; open it, as by chmod o+x",
                err=True,
            )
