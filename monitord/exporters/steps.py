"""A job's exporters, started and stopped from outside: one job step a node, all at once.

Each step has an srun of its own, which lives on when this process ends: a node that does not answer
delays no other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from monitord.client.drop_files import remove
from monitord.errors import InvalidInputError, SlurmError
from monitord.exporters.report import Outcome, read_outcome
from monitord.slurm.hostlist import expand
from monitord.slurm.job import Job
from monitord.slurm.refusal import UnknownJobError
from monitord.slurm.runner import SlurmRunner
from monitord.slurm.submission import environment_for_slurm
from monitord.system.children import Child, spawn_detached
from monitord.system.listing import paths_in

STEP_NAME = "monitord-exporters"

Wait = Callable[[Callable[[], bool]], bool]
"""Waits until a condition is so; returns False when it took too long."""


@dataclass(frozen=True, slots=True)
class Step:
    """The step of one node: its srun, and what that has written."""

    node: str
    srun: Child
    log: Path

    def outcome(self) -> Outcome:
        # Asked before the log is read: what it wrote at its end is then there.
        code = self.srun.poll()
        return read_outcome(self.node, self.log.read_text(encoding="utf-8", errors="replace"), code)


def find_job(runner: SlurmRunner, job_id: str) -> Job | None:
    """Return the job that is meant, also one that is over; None when Slurm does not know it any more.

    A number is also that of a whole array, but of one of its tasks first: in its script
    `$SLURM_JOB_ID` says it. Raises SlurmError, also for an array of which no task is meant.
    """
    found = runner.jobs((job_id,), over=True)
    meant = [job for job in found if job_id in (job.number, job.id)] or list(found)
    if len(meant) > 1:
        tasks = ", ".join(job.id for job in meant[:4])
        raise SlurmError(f"job {job_id} is an array of {len(meant)} tasks; name one of {tasks}")
    return meant[0] if meant else None


def running_job(runner: SlurmRunner, job_id: str) -> Job:
    """Return a job that runs. Raises SlurmError when it does not, and says why."""
    job = find_job(runner, job_id)
    if job is None:
        raise UnknownJobError(f"Slurm knows no job {job_id}; see yours with: squeue --me")
    if job.is_over:
        raise SlurmError(f"job {job_id} is over ({job.state}); exporters run inside a job that runs")
    if job.state != "RUNNING":
        why = f", {job.reason}" if job.reason else ""
        raise SlurmError(
            f"job {job_id} does not run ({job.state}{why}); start its exporters once it does, best in its "
            "script"
        )
    return job


def nodes_of(job: Job) -> list[str]:
    """Return the names of a job's nodes. Raises SlurmError when Slurm's list cannot be read."""
    try:
        return expand(job.nodelist or "")
    except ValueError as error:
        raise SlurmError(f"job {job.id} runs on nodes that cannot be read: {error}") from error


def launch(slurm_job_id: str, nodes: Sequence[str], agent: Sequence[str], logs: Path) -> list[Step]:
    """Start an agent on each node, and wait for none. Raises InvalidInputError."""
    environment = environment_for_slurm(os.environ)
    steps = []
    for node in nodes:
        log = logs / f"exporters-{slurm_job_id}-{node}.log"
        try:
            child = spawn_detached([*srun(slurm_job_id, node), *agent], log, environment)
        except OSError as error:
            where = error.filename or log
            raise InvalidInputError(
                f"{where}: {error.strerror}; where logs cannot be written, name a folder with --log-dir"
            ) from error
        steps.append(Step(node, child, log))
    return steps


def srun(slurm_job_id: str, node: str) -> list[str]:
    """Return the command that runs one more step on a node of a job, beside those that are there."""
    return [
        "srun", f"--jobid={slurm_job_id}", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={node}",
        f"--job-name={STEP_NAME}",
        "--export=ALL",  # a job's own `--export=NONE` would take away $PATH
        "--cpu-bind=none", "--mpi=none",
    ]  # fmt: skip


def agents_of(runner: SlurmRunner, job: Job) -> tuple[str, ...]:
    """Return the steps of a job that are agents. Of an array Slurm lists those of every task."""
    steps = runner.steps(job.number, STEP_NAME)
    return tuple(step for step in steps if step.startswith(f"{job.id}."))


def end(runner: SlurmRunner, job: Job, wait: Wait) -> bool:
    """End the agents of a job, by force where they take their time; say whether all have ended."""

    def are_over() -> bool:
        return not agents_of(runner, job)

    steps = agents_of(runner, job)
    if not steps:
        return True
    runner.signal("TERM", *steps)
    if wait(are_over):
        return True
    if left := agents_of(runner, job):
        runner.cancel(*left)
    return wait(are_over)


def remove_files(folder: Path, pattern: str) -> list[Path]:
    """Remove the registrations that are left of a job, and return them. Raises InvalidInputError."""
    return [file for file in paths_in(folder) if fnmatchcase(file.name, pattern) and remove(file)]
