"""Which jobs have left the queue, for targets that are bound to one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from monitord.clock import Clock
from monitord.errors import SlurmError
from monitord.slurm.job import Job

ASK_EVERY_SECONDS = 30.0
# How long the main loop waits for an answer, which mostly takes some tens of milliseconds.
PATIENCE_SECONDS = 0.3

Queued = Callable[[frozenset[str]], tuple[Job, ...]]
"""Returns those of some jobs that are in the queue. Raises SlurmError."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """Which of the jobs asked for are queued, or why Slurm did not say."""

    jobs: frozenset[str]
    queued: frozenset[str] = frozenset()
    failure: str = ""


class EndedJobs:
    """Which of some jobs have left the queue. Slurm is asked for all at once, and not often.

    While Slurm does not answer, nothing new is known: a job that was there still counts as there. A
    slow answer is not waited for, but taken when it has come.
    """

    def __init__(self, clock: Clock, log: FilteringBoundLogger, queued: Queued) -> None:
        self._clock = clock
        self._log = log
        self._queued = queued
        self._ended: frozenset[str] = frozenset()
        self._asked: frozenset[str] = frozenset()
        self._asked_at = float("-inf")
        self._is_asking = False
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._failure = ""

    def __call__(self, jobs: frozenset[str]) -> frozenset[str]:
        """Return those of the jobs that have left the queue."""
        now = self._clock.monotonic()
        patience = 0.0
        if jobs and not self._is_asking and (jobs - self._asked or now - self._asked_at >= ASK_EVERY_SECONDS):
            self._asked, self._asked_at, self._is_asking = jobs, now, True
            ask = threading.Thread(target=lambda: self._answers.put(self._ask(jobs)), daemon=True)
            ask.start()
            patience = PATIENCE_SECONDS
        if self._is_asking:
            self._take_answer(patience)
        return self._ended & jobs

    def _take_answer(self, patience: float) -> None:
        try:
            answer = self._answers.get(timeout=patience) if patience else self._answers.get_nowait()
        except queue.Empty:
            return
        self._is_asking = False
        self._note_failure(answer.failure)
        if not answer.failure:
            self._ended = answer.jobs - answer.queued

    def _ask(self, jobs: frozenset[str]) -> _Answer:
        """Ask which of the jobs are in the queue. Runs on a thread."""
        try:
            found = self._queued(jobs)
        except SlurmError as error:
            return _Answer(jobs, failure=str(error))
        return _Answer(jobs, frozenset(name for job in found for name in job.names))

    def _note_failure(self, failure: str) -> None:
        if failure and failure != self._failure:
            self._log.warning(
                "slurm.unanswered", reason=failure, consequence="no target is withdrawn for its job"
            )
        self._failure = failure
