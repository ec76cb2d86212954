"""`monitord start`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from monitord.cli._options import DURATION, daemon_options, session_option
from monitord.cli._output import say
from monitord.cli.wait import await_goal, lives, ready_check, refuse_deletion
from monitord.client.daemon_command import MONITORD, run_arguments
from monitord.client.status import daemon_status
from monitord.errors import ExitCode, NotReadyError, PrometheusError
from monitord.session.folder import Session, open_session
from monitord.system.children import Child, spawn_detached

LOCAL_SECONDS = 60.0
QUEUE_SECONDS = 600.0


@click.command("start")
@session_option
@click.option("--local", is_flag=True, help="Run the daemon on this machine, in the background.")
@click.option("--partition", metavar="P", help="Slurm's partition.")
@click.option("--account", metavar="A", help="Slurm's account.")
@click.option("--qos", metavar="Q", help="Slurm's quality of service.")
@click.option("--time", "time", metavar="T", help="Time limit, as sbatch takes it [default: 04:00:00].")
@click.option("--nodelist", metavar="N", help="The node to run on.")
@click.option("--constraint", metavar="C", help="Features that the node must have.")
@click.option("--reservation", metavar="R", help="Slurm's reservation.")
@click.option("--sbatch-arg", "sbatch_args", multiple=True, metavar="ARG",
              help="Any other option of sbatch, as --sbatch-arg=--mem=8G; may be repeated.")  # fmt: skip
@daemon_options
@click.option("--no-wait", is_flag=True, help="Return when it is submitted, and print the job's id.")
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
    """Start the daemon of a session as a Slurm job, wait until it is ready, print Prometheus's URL.

    With --local it is started on this machine instead, in the background.

    \b
    Example:
      monitord start --session bench01 --partition cpu --account p200000 --time 02:00:00
      monitord start --session bench01 --sbatch-arg=--mem=8G --no-wait
      monitord start --session bench01 --local
    """
    from monitord.slurm.submission import PASSED_ON

    session = open_session(root.absolute(), session_name)
    given = {name: flags.pop(name) for name in PASSED_ON}
    _refuse_flags(local, given, sbatch_args, flags)
    refuse_deletion(session)
    if lives(session):
        daemon = daemon_status(session)
        who = f"host {daemon['host']}, pid {daemon['pid']}, since {daemon['started_at']}"
        raise NotReadyError(f"session {session_name} is running already: {who}")
    if local:
        _start_here(session, flags, LOCAL_SECONDS if timeout is None else timeout)
    else:
        from monitord.cli.submit import await_job, submit, tell_how_to_reach

        before = daemon_status(session)
        submission = submit(session, given, sbatch_args, flags)
        if no_wait:
            say(submission.job_id)
            return ExitCode.OK
        await_job(session, submission, before, QUEUE_SECONDS if timeout is None else timeout)
        tell_how_to_reach(daemon_status(session))
    say(daemon_status(session)["prometheus"]["url"])
    return ExitCode.OK


def _refuse_flags(
    local: bool, given: dict[str, str | None], sbatch_args: tuple[str, ...], flags: dict[str, Any]
) -> None:
    if not local:
        return
    strange = [name for name, value in given.items() if value]
    strange += (["sbatch-arg"] if sbatch_args else []) + (["continue"] if flags["handover"] else [])
    if strange:
        names = ", ".join(f"--{name}" for name in strange)
        raise click.UsageError(f"{names}: of Slurm's jobs alone; leave out that, or --local")


def _start_here(session: Session, flags: dict[str, Any], timeout: float) -> None:
    output = session.logs / "daemon.out"
    daemon = spawn_detached([*MONITORD, *run_arguments(session, flags)], output)
    ready = ready_check(session)

    def check() -> tuple[bool, str]:
        _refuse_end(session, daemon, output)
        return ready()

    try:
        await_goal(check, "the daemon to be ready", timeout)
    except NotReadyError as error:
        how = f"it goes on trying; see {session.log_file}, or end it with: monitord stop -s {session.name}"
        raise NotReadyError(f"{error}; {how}") from None


def _refuse_end(session: Session, daemon: Child, output: Path) -> None:
    if daemon.poll() is not None:
        reason = daemon_status(session).get("last_error") or f"see {output}"
        raise PrometheusError(f"the daemon ended with exit code {daemon.poll()}: {reason}")
