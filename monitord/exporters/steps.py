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
"""Waits until a condition holds; returns False on a time-out."""


@dataclass(frozen=True, slots=True)
class Step:
    """The step of one node: its srun, and what that has written."""

    node: str
    srun: Child
    log: Path

    def outcome(self) -> Outcome:
        # Polled before the log is read: the log is then complete.
        code = self.srun.poll()
        return read_outcome(self.node, self.log.read_text(encoding="utf-8", errors="replace"), code)


def find_job(runner: SlurmRunner, job_id: str) -> Job | None:
    """Return a job by its id, also one that has ended; None when Slurm no longer knows it.

    A number that is both an array's and one of its tasks' means the task: `$SLURM_JOB_ID` in the task's
    script is that number. Raises SlurmError, also for an array without a task of that number.
    """
    found = runner.jobs((job_id,), over=True)
    meant = [job for job in found if job_id in (job.number, job.id)] or list(found)
    if len(meant) > 1:
        tasks = ", ".join(job.id for job in meant[:4])
        raise SlurmError(f"job {job_id} is an array of {len(meant)} tasks; name one of {tasks}")
    return meant[0] if meant else None


def running_job(runner: SlurmRunner, job_id: str) -> Job:
    """Return a running job. Raises SlurmError with the reason when it does not run."""
    job = find_job(runner, job_id)
    if job is None:
        raise UnknownJobError(f"Slurm knows no job {job_id}; see yours with: squeue --me")
    if job.is_over:
        raise SlurmError(f"job {job_id} has ended ({job.state}); exporters need a running job")
    if job.state != "RUNNING":
        why = f", {job.reason}" if job.reason else ""
        raise SlurmError(
            f"job {job_id} is not running yet ({job.state}{why}); start its exporters once it runs, best in "
            "its batch script"
        )
    return job


def nodes_of(job: Job) -> list[str]:
    """Return the names of a job's nodes. Raises SlurmError when Slurm's list cannot be read."""
    try:
        return expand(job.nodelist or "")
    except ValueError as error:
        raise SlurmError(f"the node list of job {job.id} cannot be read: {error}") from error


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
                f"{where}: {error.strerror}; choose a folder that can be written to, with --log-dir"
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
    """End the agents of a job, by force after a time-out; return whether all have ended."""

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
    """Remove the registrations that a job left behind, and return them. Raises InvalidInputError."""
    return [file for file in paths_in(folder) if fnmatchcase(file.name, pattern) and remove(file)]
