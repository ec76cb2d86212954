"""`monitord start`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from monitord.cli._options import DURATION, daemon_options, session_option
from monitord.cli._output import print_line, print_lines, progress
from monitord.errors import ExitCode
from monitord.session.folder import open_session

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_SECONDS = 60.0
QUEUE_SECONDS = 600.0


@click.command("start")
@session_option
@click.option("--local", is_flag=True, help="Run the daemon on this machine, in the background.")
@click.option("--partition", metavar="P", help="Slurm partition.")
@click.option("--account", metavar="A", help="Slurm account.")
@click.option("--qos", metavar="Q", help="Slurm quality of service.")
@click.option(
    "--time", "time", metavar="T", help="Time limit, in any form that sbatch accepts [default: 04:00:00]."
)
@click.option("--nodelist", metavar="N", help="The node to run on.")
@click.option("--constraint", metavar="C", help="Features that the node must have.")
@click.option("--reservation", metavar="R", help="Slurm reservation.")
@click.option("--sbatch-arg", "sbatch_args", multiple=True, metavar="ARG",
              help="Any other option of sbatch, such as --sbatch-arg=--mem=8G; may be repeated.")  # fmt: skip
@daemon_options
@click.option("--no-wait", is_flag=True, help="Return once the job is submitted, and print its id.")
@click.option(
    "--timeout", type=DURATION, metavar="10m", help="How long to wait [default: 10m, with --local 60s]."
)
def command(
    session_name: str,
    root: Path,
    local: bool,
    no_wait: bool,
    timeout: float | None,
    sbatch_args: tuple[str, ...],
    **flags: Any,
) -> int:
    """Start the daemon of a session, as a Slurm job or on this machine.

    Waits until Prometheus is ready and prints its URL. With --local, the daemon runs on this machine in
    the background instead of in a job.

    \b
    Example:
      monitord start --session bench01 --partition cpu --account p200000 --time 02:00:00
      monitord start --session bench01 --sbatch-arg=--mem=8G --no-wait
      monitord start --session bench01 --local
    """
    from monitord.client.daemon_command import DaemonOptions
    from monitord.client.starting import refuse_running, start_here
    from monitord.client.status import daemon_status
    from monitord.slurm.submission import PASSED_ON

    session = open_session(root.absolute(), session_name)
    given = {name: flags.pop(name) for name in PASSED_ON}
    options = DaemonOptions(**flags)
    if local:
        _refuse_slurm_flags(given, sbatch_args, options.handover)
    with progress() as shown:
        refuse_running(session, shown.show)
    if local:
        with progress() as shown:
            start_here(session, options, LOCAL_SECONDS if timeout is None else timeout, shown.show)
    else:
        from monitord.client.submission import await_job, submit

        before = daemon_status(session)
        submission = submit(session, given, sbatch_args, options)
        print_line(f"submitted job {submission.job_id}", err=True)
        if no_wait:
            print_line(submission.job_id)
            return ExitCode.OK
        with progress() as shown:
            await_job(session, submission, before, QUEUE_SECONDS if timeout is None else timeout, shown.show)
    daemon = daemon_status(session)
    if not local:
        _print_how_to_connect(daemon)
    print_line(daemon["prometheus"]["url"])
    return ExitCode.OK


def _refuse_slurm_flags(
    given: Mapping[str, str | None], sbatch_args: tuple[str, ...], handover: bool
) -> None:
    names = [name for name, value in given.items() if value]
    names += (["sbatch-arg"] if sbatch_args else []) + (["continue"] if handover else [])
    if names:
        flags = ", ".join(f"--{name}" for name in names)
        verb, pronoun = ("applies", "it") if len(names) == 1 else ("apply", "them")
        raise click.UsageError(f"{flags} {verb} only to Slurm jobs; remove {pronoun} or --local")


def _print_how_to_connect(daemon: Mapping[str, Any]) -> None:
    """Print the ssh commands that forward Prometheus's port to this host, and to the user's own machine."""
    import getpass
    import socket

    from monitord.slurm.submission import ssh_lines

    url = urlsplit(daemon["prometheus"]["url"])
    if url.port is None:
        return
    here, there = ssh_lines(
        url.hostname or "", url.port, daemon["host"], getpass.getuser(), socket.gethostname()
    )
    print_lines(
        f"Prometheus runs on {daemon['host']}; to reach it from this host: {here}\n"
        f"from your own machine: {there}",
        err=True,
    )
