"""Which jobs have left the queue, for targets that are bound to a job."""

from __future__ import annotations

import threading
from collections.abc import Callable

from structlog.typing import FilteringBoundLogger

from monitord.errors import PassingError, SlurmError
from monitord.slurm.job import Job
from monitord.system.background import Background, Run, on_a_thread
from monitord.system.clock import Clock

ASK_EVERY_SECONDS = 30.0
# How long the loop waits for an answer, which usually takes some tens of milliseconds.
PATIENCE_SECONDS = 0.3

Queued = Callable[[frozenset[str]], tuple[Job, ...]]
"""Returns those of the given jobs that are in the queue. Called on a thread; raises SlurmError."""


class EndedJobs:
    """Knows which jobs have left the queue. Slurm is queried rarely, and for all jobs at once.

    While Slurm does not answer, a job that was in the queue counts as still there. A slow answer does
    not block: it is used by the first call after it arrived.
    """

    def __init__(
        self, clock: Clock, log: FilteringBoundLogger, queued: Queued, run: Run = on_a_thread
    ) -> None:
        self._clock = clock
        self._log = log
        self._queued = queued
        self._ended: frozenset[str] = frozenset()
        self._asked: frozenset[str] = frozenset()
        self._asked_at = float("-inf")
        self._answered = threading.Event()
        self._question: Background[tuple[Job, ...]] = Background(self._answered.set, run)
        self._failure = ""

    def __call__(self, jobs: frozenset[str]) -> frozenset[str]:
        """Return those of the jobs that have left the queue."""
        now = self._clock.monotonic()
        is_due = jobs - self._asked or now - self._asked_at >= ASK_EVERY_SECONDS
        if jobs and is_due and not self._question.is_busy:
            self._answered.clear()
            if self._question.ask(lambda: self._queued(jobs)):
                self._asked, self._asked_at = jobs, now
                self._answered.wait(PATIENCE_SECONDS)
        self._take_answer()
        return self._ended & jobs

    def _take_answer(self) -> None:
        answer = self._question.take()
        if answer is None:
            return
        try:
            queued = answer.result()
        except (SlurmError, PassingError) as error:
            self._note_failure(str(error))
            return
        self._note_failure("")
        self._ended = self._asked - {name for job in queued for name in job.names}

    def _note_failure(self, failure: str) -> None:
        if failure and failure != self._failure:
            self._log.warning(
                "slurm.unanswered", reason=failure, consequence="no target is withdrawn for its job"
            )
        self._failure = failure
