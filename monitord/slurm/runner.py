"""Slurm's commands: sbatch, squeue, scancel and scontrol. The only place that runs them."""

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
from monitord.slurm.mark import FOUND_FORMAT, Found, Mark, mark_of, read_found, with_mark
from monitord.slurm.refusal import (
    ControllerDownError,
    JobOverError,
    OutcomeUnknownError,
    UnclearError,
    UnknownJobError,
    refusal,
)
from monitord.slurm.submission import environment_for_slurm

READ_TIMEOUT_SECONDS = 20.0  # beyond the 10 s in which Slurm's own commands give up
SUBMIT_TIMEOUT_SECONDS = 60.0  # a busy controller takes its time, and giving up would leave a job behind
# Between tries of what only reads; a controller that is restarted is away for some seconds.
PAUSES_SECONDS = (1.0, 3.0)

T = TypeVar("T")
Run = Callable[[Sequence[str], float, Mapping[str, str]], tuple[int, str, str]]
"""Runs a command within some seconds; returns exit code, output and errors. Raises OSError."""


class SlurmRunner:
    """Asks Slurm and tells it things. Every method raises SlurmError; see `slurm/refusal.py`.

    Only what reads is tried again: a submission that was not answered may have arrived, and is looked for.
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
        """Submit a batch script and return the job's id. `environment` is added to this process's.

        Where sbatch does not report what became of it, the job is looked for by the mark in its comment, and
        any second one is cancelled. Raises OutcomeUnknownError where it may still come.
        """
        command = ["sbatch", "--parsable", *options, str(script), *arguments]
        try:
            output = self._once(command, SUBMIT_TIMEOUT_SECONDS, environment)
            return _read(command, read_submitted, output)
        except (ControllerDownError, UnclearError) as error:
            return self._submitted(mark_of(options), error)

    def find(self) -> tuple[Found, ...]:
        """Return the user's jobs in the queue, with what tells whose they are."""
        command = ["squeue", "--noheader", "--me", "--all", f"--format={FOUND_FORMAT}"]
        return read_found(self._patiently(command))

    def jobs(self, ids: Iterable[str], *, over: bool = False) -> tuple[Job, ...]:
        """Return those of the jobs that are in the queue; `over`: those that ended a while ago as well.

        An array's number stands for all of its tasks.
        """
        command = [
            "squeue", "--noheader",
            "--all",  # hidden partitions as well
            "--array",  # each task by its own number, also those that wait
            f"--jobs={','.join(sorted(ids))}",
            *(("--states=all",) if over else ()),
            f"--format={QUEUE_FORMAT}",
        ]  # fmt: skip
        try:
            return _read(command, read_queue, self._patiently(command))
        except UnknownJobError:  # said when only one was asked for, and it is long over
            return ()

    def job(self, job_id: str, *, over: bool = False) -> Job | None:
        """Return one job; None when it is not in the queue."""
        return next(iter(self.jobs((job_id,), over=over)), None)

    def ending(self, job_id: str) -> Ending:
        """Return how a job ended. Raises UnknownJobError some minutes later, when Slurm forgot it."""
        command = ["scontrol", "show", "job", "--oneliner", job_id]
        return _read(command, read_ending, self._patiently(command))

    def steps(self, job_id: str, name: str) -> tuple[str, ...]:
        """Return the running steps of a job that have this name, as `JOB.STEP`."""
        command = ["squeue", "--noheader", "--steps", f"--jobs={job_id}", f"--format={STEP_FORMAT}"]
        try:
            return read_steps(self._patiently(command), name)
        except UnknownJobError:
            return ()

    def signal_batch(self, job_id: str, signal_name: str) -> None:
        """Send a signal to a job's batch script, and to nothing else of it."""
        self._once(["scancel", "--batch", f"--signal={signal_name}", job_id])

    def signal(self, signal_name: str, *ids: str) -> None:
        """Send a signal to every process of steps. One that is over already is no error.

        `cancel` would kill a step at once: only jobs are given time to end.
        """
        try:
            self._once(["scancel", f"--signal={signal_name}", *ids])
        except (JobOverError, UnknownJobError):
            return

    def cancel(self, *ids: str) -> None:
        """End jobs or steps. One that is over already is no error."""
        try:
            self._once(["scancel", *ids])
        except (JobOverError, UnknownJobError):
            return

    def _submitted(self, mark: Mark | None, error: SlurmError) -> str:
        """Return the job of a submission whose outcome `error` leaves open."""
        unknown = OutcomeUnknownError(
            f"{error}; it may have been submitted all the same: look with squeue --me"
        )
        if mark is None:
            raise unknown from None
        for pause in (0.0, *self._pauses):
            self._pause(pause)
            try:
                jobs = with_mark(self.find(), mark)
            except SlurmError:
                break
            if jobs:
                self._keep_first(jobs)
                return jobs[0]
            if isinstance(error, UnclearError):  # a site's own refusal: Slurm answers, and has no such job
                raise error
        raise unknown from None

    def _keep_first(self, jobs: Sequence[str]) -> None:
        if surplus := jobs[1:]:
            with suppress(SlurmError):  # the lease keeps a second daemon from running; `stop` finds its job
                self.cancel(*surplus)

    def _patiently(self, command: Sequence[str]) -> str:
        for pause in self._pauses:
            try:
                return self._once(command)
            except ControllerDownError:
                self._pause(pause)
        return self._once(command)

    def _once(
        self,
        command: Sequence[str],
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        program = command[0]
        surroundings = {**environment_for_slurm(os.environ), "SLURM_TIME_FORMAT": TIME_FORMAT}
        try:
            code, output, errors = self._run(
                command, timeout or self._read_timeout, {**surroundings, **(environment or {})}
            )
        except TimeoutError as error:
            raise ControllerDownError(f"{program}: {error}; try again later; see: scontrol ping") from error
        except FileNotFoundError as error:
            raise SlurmError(
                f"{program}: no such program; is this a machine of a Slurm cluster? Without one, use: "
                "monitord start --local"
            ) from error
        except OSError as error:
            raise SlurmError(f"{program} cannot be run: {error.strerror}") from error
        # scancel ends with 0 for a job it does not know, and says so all the same.
        if code != 0:
            raise refusal(program, code, errors)
        return output


def run_command(
    command: Sequence[str], timeout: float, environment: Mapping[str, str]
) -> tuple[int, str, str]:
    """Run a command to its end. Raises OSError, of which TimeoutError."""
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
        raise UnclearError(f"{command[0]} answered what cannot be read: {error}") from error
