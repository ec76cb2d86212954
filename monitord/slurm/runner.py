"""Run Slurm's commands: sbatch, squeue, scancel and scontrol. No other module does."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from monitord.errors import SlurmError
from monitord.slurm.job import (
    QUEUE_FORMAT,
    STEP_FORMAT,
    TIME_FORMAT,
    Ending,
    Job,
    read_ending,
    read_queue,
    read_steps,
    read_submitted,
)
from monitord.slurm.mark import FOUND_FORMAT, Found, Mark, jobs_with_mark, mark_of, read_found
from monitord.slurm.refusal import (
    ControllerDownError,
    JobOverError,
    OutcomeUnknownError,
    UnclearError,
    UnknownJobError,
    refusal,
)
from monitord.slurm.submission import environment_for_slurm

READ_TIMEOUT_SECONDS = 20.0  # Slurm's own commands give up after 10 s
SUBMIT_TIMEOUT_SECONDS = 60.0  # a busy controller is slow, and giving up would leave a job behind
# Between retries of reads: a controller that restarts is away for some seconds.
PAUSES_SECONDS = (1.0, 3.0)

T = TypeVar("T")
Run = Callable[[Sequence[str], float, Mapping[str, str]], tuple[int, str, str]]
"""Runs a command within some seconds; returns exit code, output and errors. Raises OSError."""


class SlurmRunner:
    """Slurm as methods. Every method raises SlurmError; see `slurm/refusal.py`.

    Only reads are retried. A submission without an answer may have arrived, so it is looked up in the queue.
    """

    def __init__(
        self,
        run: Run | None = None,
        pause: Callable[[float], None] = time.sleep,
        pauses: Sequence[float] = PAUSES_SECONDS,
        read_timeout: float = READ_TIMEOUT_SECONDS,
    ) -> None:
        self._run = run or run_command
        self._pause = pause
        self._pauses = tuple(pauses)
        self._read_timeout = read_timeout

    def submit(
        self,
        script: Path,
        options: Sequence[str] = (),
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Submit a batch script and return the job's id. `environment` is added to that of this process.

        If sbatch does not report the outcome, the job is looked up by the mark in its comment, and duplicates
        are cancelled. Raises OutcomeUnknownError if the job may still appear.
        """
        command = ["sbatch", "--parsable", *options, str(script), *arguments]
        try:
            output = self._run_once(command, SUBMIT_TIMEOUT_SECONDS, environment)
            return _read(command, read_submitted, output)
        except (ControllerDownError, UnclearError) as error:
            return self._find_submitted(mark_of(options), error)

    def find(self) -> tuple[Found, ...]:
        """Return the user's jobs in the queue, with the marks that identify their session."""
        command = ["squeue", "--noheader", "--me", "--all", f"--format={FOUND_FORMAT}"]
        return read_found(self._with_retries(command))

    def jobs(self, ids: Iterable[str], *, over: bool = False) -> tuple[Job, ...]:
        """Return those of the jobs that are in the queue; with `over`, also those that ended recently.

        The number of a job array means all of its tasks.
        """
        command = [
            "squeue", "--noheader",
            "--all",  # hidden partitions too
            "--array",  # each task by its own number, also pending ones
            f"--jobs={','.join(sorted(ids))}",
            *(("--states=all",) if over else ()),
            f"--format={QUEUE_FORMAT}",
        ]  # fmt: skip
        try:
            return _read(command, read_queue, self._with_retries(command))
        except UnknownJobError:  # reported for a single job that ended long ago
            return ()

    def job(self, job_id: str, *, over: bool = False) -> Job | None:
        """Return one job; None when it is not in the queue."""
        return next(iter(self.jobs((job_id,), over=over)), None)

    def ending(self, job_id: str) -> Ending:
        """Return how a job ended. Raises UnknownJobError once Slurm has forgotten it, some minutes later."""
        command = ["scontrol", "show", "job", "--oneliner", job_id]
        return _read(command, read_ending, self._with_retries(command))

    def steps(self, job_id: str, name: str) -> tuple[str, ...]:
        """Return the running steps of a job with this name, as `JOB.STEP`."""
        command = ["squeue", "--noheader", "--steps", f"--jobs={job_id}", f"--format={STEP_FORMAT}"]
        try:
            return read_steps(self._with_retries(command), name)
        except UnknownJobError:
            return ()

    def signal_batch(self, job_id: str, signal_name: str) -> None:
        """Send a signal to the batch script of a job only."""
        self._run_once(["scancel", "--batch", f"--signal={signal_name}", job_id])

    def signal(self, signal_name: str, *ids: str) -> None:
        """Send a signal to all processes of steps. A step that has ended is not an error.

        `cancel` would kill a step at once; Slurm gives only jobs time to end.
        """
        try:
            self._run_once(["scancel", f"--signal={signal_name}", *ids])
        except (JobOverError, UnknownJobError):
            return

    def cancel(self, *ids: str) -> None:
        """Cancel jobs or steps. One that has ended is not an error."""
        try:
            self._run_once(["scancel", *ids])
        except (JobOverError, UnknownJobError):
            return

    def _find_submitted(self, mark: Mark | None, error: SlurmError) -> str:
        """Return the job of a submission for which sbatch reported `error`."""
        unknown = OutcomeUnknownError(f"{error}; it may have been submitted anyway: look with squeue --me")
        if mark is None:
            raise unknown from None
        for pause in (0.0, *self._pauses):
            self._pause(pause)
            try:
                jobs = jobs_with_mark(self.find(), mark)
            except SlurmError:
                break
            if jobs:
                self._keep_first(jobs)
                return jobs[0]
            if isinstance(error, UnclearError):  # refused: Slurm answers, and has no such job
                raise error
        raise unknown from None

    def _keep_first(self, jobs: Sequence[str]) -> None:
        if surplus := jobs[1:]:
            with suppress(SlurmError):  # the lease stops a second daemon, and `stop` finds its job
                self.cancel(*surplus)

    def _with_retries(self, command: Sequence[str]) -> str:
        for pause in self._pauses:
            try:
                return self._run_once(command)
            except ControllerDownError:
                self._pause(pause)
        return self._run_once(command)

    def _run_once(
        self,
        command: Sequence[str],
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        program = command[0]
        base = {**environment_for_slurm(os.environ), "SLURM_TIME_FORMAT": TIME_FORMAT}
        try:
            code, output, errors = self._run(
                command, timeout or self._read_timeout, {**base, **(environment or {})}
            )
        except TimeoutError as error:
            raise ControllerDownError(f"{program}: {error}; try again later; see: scontrol ping") from error
        except FileNotFoundError as error:
            raise SlurmError(
                f"{program}: no such program; is this machine part of a Slurm cluster? Without Slurm, use: "
                "monitord start --local"
            ) from error
        except OSError as error:
            raise SlurmError(f"{program} cannot be run: {error.strerror}") from error
        # scancel exits with 0 for a job that it does not know, although it prints an error.
        if code != 0:
            raise refusal(program, code, errors)
        return output


def run_command(
    command: Sequence[str], timeout: float, environment: Mapping[str, str]
) -> tuple[int, str, str]:
    """Run a command to its end. Raises OSError, and its subclass TimeoutError."""
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
            env=dict(environment),
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no answer after {timeout:g} s") from error
    return done.returncode, done.stdout, done.stderr


def _read(command: Sequence[str], read: Callable[[str], T], output: str) -> T:
    try:
        return read(output)
    except ValueError as error:
        raise UnclearError(f"{command[0]} returned unexpected output: {error}") from error
