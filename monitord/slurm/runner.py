"""Asking Slurm. The only place that runs its commands."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence

from structlog.typing import FilteringBoundLogger

from monitord.clock import Clock

ASK_EVERY_SECONDS = 30.0
TIMEOUT_SECONDS = 10.0

Run = Callable[[Sequence[str], float], tuple[int, str, str]]
"""Runs a command within some seconds; returns exit code, output and errors. Raises OSError."""


class EndedJobs:
    """Which of some jobs have left the queue. Slurm is asked for all at once, and not often.

    While Slurm does not answer, nothing new is known: a job that was there still counts as there.
    """

    def __init__(self, clock: Clock, log: FilteringBoundLogger, run: Run | None = None) -> None:
        self._clock = clock
        self._log = log
        self._run = run or _run
        self._ended: frozenset[str] = frozenset()
        self._asked: frozenset[str] = frozenset()
        self._asked_at = float("-inf")
        self._failure = ""

    def __call__(self, jobs: frozenset[str]) -> frozenset[str]:
        """Return those of the jobs that have left the queue."""
        now = self._clock.monotonic()
        if jobs and (jobs - self._asked or now - self._asked_at >= ASK_EVERY_SECONDS):
            self._asked, self._asked_at = jobs, now
            queued = self._queued(jobs)
            if queued is not None:
                self._ended = jobs - queued
        return self._ended & jobs

    def _queued(self, jobs: frozenset[str]) -> frozenset[str] | None:
        """Return those of the jobs that are in the queue; None when Slurm did not say."""
        command = [
            "squeue",
            "--noheader",
            "--all",  # hidden partitions as well
            "--array-unique",
            f"--jobs={','.join(sorted(jobs))}",
            "--format=%i %A %F",  # 7_2, its own number, and 7: users may mean any
        ]
        try:
            code, output, errors = self._run(command, TIMEOUT_SECONDS)
        except OSError as error:
            self._note_failure(f"squeue cannot be run: {error.strerror}")
            return None
        if code != 0 and "Invalid job id" not in errors:  # said of a single job that is long over
            self._note_failure(f"squeue: {errors.strip() or f'exit code {code}'}")
            return None
        self._failure = ""
        return frozenset(word for line in output.splitlines() for word in line.split())

    def _note_failure(self, failure: str) -> None:
        if failure != self._failure:
            self._log.warning(
                "slurm.unanswered", reason=failure, consequence="no target is withdrawn for its job"
            )
        self._failure = failure


def _run(command: Sequence[str], timeout: float) -> tuple[int, str, str]:
    try:
        done = subprocess.run(
            list(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(0, f"no answer after {timeout:g} s") from error
    return done.returncode, done.stdout, done.stderr
