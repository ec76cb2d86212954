"""`monitord exporters`: exporters on the nodes of a Slurm job."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from monitord.cli._options import DURATION, output_option, session_option
from monitord.cli._output import print_json, print_line, print_table, progress
from monitord.errors import ExitCode, InvalidInputError, NotReadyError
from monitord.session.folder import open_session
from monitord.system.names import check_name

_job_option = click.option(
    "--slurm-job", "slurm_job_id", required=True, envvar="SLURM_JOB_ID", metavar="J",
    help="The Slurm job whose nodes to use [env: SLURM_JOB_ID].",
)  # fmt: skip
_AGENT_OPTIONS = (
    click.option(
        "--kinds", default="node,dcgm,process", show_default=True, metavar="KINDS",
        help="Kinds of exporters, comma-separated.",
    ),
    click.option("--client-id", metavar="C", help="The client to register them for [default: job-J]."),
    click.option(
        "--image", "images", multiple=True, metavar="KIND=IMG.sif",
        help="Apptainer image of a kind, for nodes without its program; may be repeated.",
    ),
    click.option(
        "--host", default="", metavar="H",
        help="Address on which they listen and are scraped; {node} is replaced by Slurm's name of the node "
        "[default: listen on all addresses, scraped at the node's hostname].",
    ),
)  # fmt: skip


def _agent_options(function: Any) -> Any:
    for option in reversed(_AGENT_OPTIONS):
        function = option(function)
    return function


@click.group("exporters")
def command() -> None:
    """Run exporters on the nodes of a Slurm job. They are registered while they run.

    \b
    Example:
      # in the benchmark's batch script, where $SLURM_JOB_ID is set
      monitord exporters start --session bench01 --kinds node,dcgm
      monitord window run --session bench01 --id run01 -- srun ./benchmark
    """


@command.command("start")
@session_option
@_job_option
@_agent_options
@click.option(
    "--log-dir", type=click.Path(path_type=Path), metavar="D",
    help="Folder of the logs, one per node [default: the session's logs/].",
)  # fmt: skip
@click.option(
    "--timeout", type=DURATION, default="60s", show_default=True, metavar="60s", help="How long to wait."
)
@output_option
def start(
    session_name: str,
    root: Path,
    slurm_job_id: str,
    kinds: str,
    client_id: str | None,
    images: tuple[str, ...],
    host: str,
    log_dir: Path | None,
    timeout: float,
    output: str,
) -> int:
    """Start exporters on every node of a job.

    Waits until each exporter is registered or has failed. A missing exporter is reported but is not an
    error. A node on which no exporter starts is an error (exit code 6). Exporters end with the job, or by
    `monitord exporters stop`.

    \b
    Example:
      monitord exporters start --session bench01 --slurm-job 1234567 --kinds node,dcgm
      monitord exporters start --session bench01 --kinds dcgm --image dcgm=/shared/dcgm-exporter.sif
    """
    from monitord.client.waiting import wait_until
    from monitord.exporters.kinds import read_kinds
    from monitord.exporters.steps import agents_of, launch, nodes_of, running_job
    from monitord.slurm.runner import SlurmRunner

    session = open_session(root.absolute(), session_name)
    names = [kind.name for kind in read_kinds(kinds)]
    _check_job(slurm_job_id)
    runner = SlurmRunner()
    job = running_job(runner, slurm_job_id)
    if agents_of(runner, job):
        how = f"monitord exporters stop --session {session_name} --slurm-job {job.number}"
        raise InvalidInputError(f"job {slurm_job_id} has exporters already; stop them first: {how}")
    agent = [
        *_command(session.root, session_name, job.number),
        f"--kinds={kinds}",
        *([f"--client-id={check_name(client_id, 'client')}"] if client_id else []),
        *(f"--image={kind}={image}" for kind, image in _read_images(images).items()),
        f"--host={host}",
    ]
    steps = launch(job.number, nodes_of(job), agent, (log_dir or session.logs).absolute())
    open_steps = {step.node: step for step in steps}
    outcomes = {}

    def are_settled() -> bool:
        for node, step in list(open_steps.items()):
            outcomes[node] = step.outcome()
            if outcomes[node].is_settled(names):
                del open_steps[node]
        return not open_steps

    with progress() as shown:
        wait_until(
            are_settled,
            timeout,
            lambda: shown.show(f"waiting for the exporters of {', '.join(list(open_steps)[:4])}"),
        )
    rows = [_row(outcomes[step.node], names, step.log) for step in steps]
    _print(rows, output)
    return ExitCode.OK if all(row["exporters"] for row in rows) else ExitCode.EXTERNAL


@command.command("stop")
@session_option
@_job_option
@click.option(
    "--timeout", type=DURATION, default="30s", show_default=True, metavar="30s", help="How long to wait."
)
def stop(session_name: str, root: Path, slurm_job_id: str, timeout: float) -> int:
    """Stop the exporters of a job.

    Waits until they have ended, and withdraws registrations that they left behind.

    \b
    Example:
      monitord exporters stop --session bench01 --slurm-job 1234567
    """
    from monitord.client.jobs import pause_between_queries
    from monitord.client.waiting import wait_until
    from monitord.documents.durations import format_duration
    from monitord.exporters.registration import files_pattern
    from monitord.exporters.steps import end, find_job, remove_files
    from monitord.slurm.runner import SlurmRunner

    session = open_session(root, session_name)
    _check_job(slurm_job_id)
    number, has_ended = slurm_job_id, True
    runner = SlurmRunner()

    def wait(done: Callable[[], bool]) -> bool:
        with progress() as shown:
            return wait_until(
                done,
                timeout / 2,
                lambda: shown.show("waiting for the exporters to end"),
                pause=pause_between_queries,
            )

    try:
        if job := find_job(runner, slurm_job_id):
            number = job.number
            has_ended = end(runner, job, wait)
    finally:
        # Also when Slurm or a node does not answer: nothing of the job should be scraped any longer.
        for file in remove_files(session.targets, files_pattern(number)):
            print_line(f"withdrew a registration that was left behind: {file}", err=True)
    if not has_ended:
        raise NotReadyError(
            f"timed out: exporters of job {slurm_job_id} still run after {format_duration(timeout)}; they "
            f"are no longer registered; see: squeue --steps --jobs={slurm_job_id}"
        )
    print_line(f"exporters of job {slurm_job_id} stopped", err=True)
    return ExitCode.OK


@command.command("run")
@session_option
@_job_option
@_agent_options
def run(
    session_name: str,
    root: Path,
    slurm_job_id: str,
    kinds: str,
    client_id: str | None,
    images: tuple[str, ...],
    host: str,
) -> int:
    """Run the exporters of this node in the foreground.

    They run until SIGTERM or Ctrl-C. `monitord exporters start` runs this command on every node.

    \b
    Example:
      srun --overlap --ntasks-per-node=1 monitord exporters run --session bench01 --kinds node &
    """
    import os
    import socket

    from monitord.exporters.agent import run as run_agent
    from monitord.exporters.kinds import read_kinds
    from monitord.exporters.registration import Node
    from monitord.targets.address import check_host

    session = open_session(root.absolute(), session_name)
    wanted = read_kinds(kinds)
    _check_job(slurm_job_id)
    hostname = socket.gethostname()
    name = os.environ.get("SLURMD_NODENAME", hostname)
    try:
        place = check_host(host.replace("{node}", name)) if host else ""
    except ValueError as error:
        raise InvalidInputError(f"--host: {error}") from None
    client = check_name(client_id or f"job-{slurm_job_id}", "client")
    run_agent(session, Node(slurm_job_id, name, hostname, client, place), wanted, _read_images(images))
    return ExitCode.OK


def _command(root: Path, session: str, slurm_job_id: str) -> list[str]:
    from monitord.client.daemon_command import MONITORD

    return [
        *MONITORD, "exporters", "run", f"--root={root}", f"--session={session}",
        f"--slurm-job={slurm_job_id}",
    ]  # fmt: skip


def _row(outcome: Any, kinds: list[str], log: Path) -> dict[str, Any]:
    """Return a node's row: the addresses of its exporters, and why the others are missing."""
    problems = outcome.problems(kinds)
    state = "failed" if not outcome.addresses else "partial" if problems else "up"
    return {
        "node": outcome.node, "state": state, "exporters": outcome.addresses, "problems": problems,
        "log": str(log),
    }  # fmt: skip


def _print(rows: list[dict[str, Any]], output: str) -> None:
    if output == "json":
        print_json(rows)
        return
    columns = ("NODE", "STATE", "EXPORTERS", "DETAIL")
    print_table(columns, [(row["node"], row["state"], _addresses(row), _detail(row)) for row in rows])


def _addresses(row: dict[str, Any]) -> str:
    return " ".join(f"{kind}={address}" for kind, address in row["exporters"].items())


def _detail(row: dict[str, Any]) -> str:
    """Write each reason once, after the kinds that it applies to."""
    by_reason: dict[str, list[str]] = {}
    for kind, reason in row["problems"].items():
        by_reason.setdefault(reason, []).append(kind)
    reasons = "; ".join(f"{', '.join(kinds)}: {reason}" for reason, kinds in by_reason.items())
    return reasons if row["exporters"] else f"{reasons} ({row['log']})"


def _read_images(images: tuple[str, ...]) -> dict[str, str]:
    """Read `KIND=IMAGE`. Raises InvalidInputError."""
    from monitord.exporters.kinds import read_kinds

    found = {}
    for text in images:
        kind, equals, image = text.partition("=")
        if not equals or not image:
            raise InvalidInputError(f"--image {text!r} is not KIND=IMAGE")
        found[read_kinds(kind)[0].name] = image if "://" in image else str(Path(image).absolute())
    return found


def _check_job(job_id: str) -> None:
    if not re.fullmatch(r"[0-9]+(_[0-9]+)?", job_id, re.ASCII):
        raise InvalidInputError(
            f"{job_id!r} is not a Slurm job id; write a number, or ARRAY_TASK as in 1234_5"
        )
