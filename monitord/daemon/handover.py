"""Handing a session over to another job, so that it outlives one allocation.

A job like this one is submitted early, to start when this one has ended, however it ends. It is
cancelled when the session is stopped on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from monitord.atomic import read_json
from monitord.background import NO_THREAD_SECONDS, Background, Run, on_a_thread
from monitord.errors import PassingError, SlurmError
from monitord.session import Session
from monitord.slurm.job import Job
from monitord.slurm.submission import Submission, read_submission, successor_options

RETRY_SECONDS = 60.0


@dataclass(slots=True)
class Handover:
    """Sees to it that a successor of this job is in the queue.

    `submit` and `job` ask Slurm, on a thread; both raise SlurmError. `known` is the successor that an
    earlier daemon of this job submitted.
    """

    session: Session
    job_id: str
    log: FilteringBoundLogger
    submit: Callable[[Submission, tuple[str, ...]], str]
    job: Callable[[str], Job | None]
    cancel: Callable[[str], None]
    wake: Callable[[], None]
    known: str | None = None
    run: Run = on_a_thread
    successor: str | None = None
    failure: str = ""
    _asking: Background[str] = field(init=False)

    def __post_init__(self) -> None:
        self._asking = Background(self.wake, self.run)

    def step(self) -> float:
        """Do one round; return in how many seconds the next is due."""
        answer = self._asking.take()
        if answer is not None:
            self._take(answer.result)
            return RETRY_SECONDS if self.failure else float("inf")
        if self.successor is None and not self._asking.ask(self._ensure):
            return NO_THREAD_SECONDS
        return float("inf")

    def withdraw(self) -> None:
        """Cancel the successor: the session ends here."""
        if self.successor is None:
            return
        try:
            self.cancel(self.successor)
        except SlurmError as error:
            self.log.error("handover.not_cancelled", job_id=self.successor, reason=str(error))
        else:
            self.log.info("handover.cancelled", job_id=self.successor)
            self.successor = None

    def _ensure(self) -> str:
        """Return the successor's job, submitted now unless there is one. Runs on a thread."""
        # What the daemon before this one knew as its successor may be this job.
        if self.known not in (None, self.job_id) and (job := self.job(self.known)) is not None:
            return job.id
        submission = read_submission(read_json(self.session.submission))
        if submission is None:
            raise SlurmError("only a job that `monitord start` submitted can be handed over")
        return self.submit(submission, successor_options(submission.options, self.job_id))

    def _take(self, result: Callable[[], str]) -> None:
        try:
            self.successor = result()
        except (SlurmError, PassingError) as error:
            if str(error) != self.failure:
                consequence = "nothing goes on after this job"
                self.log.error("handover.failed", reason=str(error), consequence=consequence)
            self.failure = str(error)
        else:
            self.failure = ""
            self.log.info("handover.submitted", job_id=self.successor)
