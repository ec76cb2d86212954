"""Handing a session over to another job, so that it outlives one allocation.

A job like this one is submitted early, and starts when this one has ended, for whatever reason. It is
cancelled when the session is stopped on purpose. Before every submission the queue is searched for an earlier
one whose outcome sbatch did not report: there is one successor or none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from monitord.errors import PassingError, SlurmError
from monitord.session.folder import Session
from monitord.slurm.job import Job
from monitord.slurm.mark import Found
from monitord.slurm.refusal import OutcomeUnknownError
from monitord.slurm.submission import Submission, read_submission, successor_options, successors
from monitord.system.atomic import read_json
from monitord.system.background import NO_THREAD_SECONDS, Background, Run, on_a_thread

RETRY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Successor:
    """The job that continues the session. `surplus` are duplicates of it, which are cancelled."""

    job_id: str
    is_new: bool
    surplus: tuple[str, ...] = ()


@dataclass(slots=True)
class Handover:
    """Makes sure that a successor of this job is in the queue.

    `submit`, `job`, `find` and `cancel` ask Slurm, on a thread; they raise SlurmError. `known` is the
    successor that an earlier daemon of this job submitted.
    """

    session: Session
    job_id: str
    log: FilteringBoundLogger
    submit: Callable[[Submission, tuple[str, ...]], str]
    job: Callable[[str], Job | None]
    find: Callable[[], Sequence[Found]]
    cancel: Callable[..., None]
    wake: Callable[[], None]
    known: str | None = None
    run: Run = on_a_thread
    successor: str | None = None
    failure: str = ""
    _may_come_late: bool = False
    _is_withdrawn: bool = False
    _asking: Background[Successor] = field(init=False)

    def __post_init__(self) -> None:
        self._asking = Background(self.wake, self.run)

    def step(self) -> float:
        """Do one round; return in how many seconds the next is due."""
        answer = self._asking.take()
        if answer is not None:
            self._take(answer.result)
            return RETRY_SECONDS if self.failure or self._may_come_late else float("inf")
        is_due = self.successor is None or self._may_come_late
        if is_due and not self._asking.ask(self._ensure):
            return NO_THREAD_SECONDS
        return float("inf")

    def withdraw(self) -> None:
        """Cancel the successor: the session ends here."""
        self._is_withdrawn = True  # a submission that is under way cancels its job itself
        is_unsure = self._may_come_late or self._asking.is_busy
        if self.successor is None and not is_unsure:
            return
        try:
            # The daemon's end waits for this: the queue is searched only if a submission may be on its way.
            waiting = self._waiting(self._submission()) if is_unsure else (str(self.successor),)
            if waiting:
                self.cancel(*waiting)
        except (SlurmError, PassingError) as error:
            self.log.error("handover.not_cancelled", job_id=self.successor, reason=str(error))
        else:
            self._log_cancelled(waiting)
            self.successor = None

    def _ensure(self) -> Successor:
        """Return the successor, submitted now unless there is one. Runs on a thread."""
        submission = self._submission()
        if waiting := self._waiting(submission):
            kept, *surplus = waiting
            if surplus:
                self.cancel(*surplus)
            return Successor(kept, is_new=False, surplus=tuple(surplus))
        job_id = self.submit(submission, successor_options(submission.options, self.job_id))
        if self._is_withdrawn:
            self.cancel(job_id)
        return Successor(job_id, is_new=True)

    def _submission(self) -> Submission:
        submission = read_submission(read_json(self.session.submission))
        if submission is None:
            raise SlurmError("only a job that `monitord start` submitted can be handed over")
        return submission

    def _waiting(self, submission: Submission) -> tuple[str, ...]:
        """Return the jobs that are to continue the session, the known one first."""
        found = successors(self.find(), submission.options, self.job_id)
        known = self.successor or self.known
        if known in found:
            return (known, *(job_id for job_id in found if job_id != known))
        # The successor that an earlier daemon knew may be this job.
        if known not in (None, self.job_id) and (job := self.job(known)) is not None:
            return (job.id, *found)
        return found

    def _take(self, result: Callable[[], Successor]) -> None:
        try:
            successor = result()
        except (SlurmError, PassingError) as error:
            if str(error) != self.failure:
                consequence = "nothing goes on after this job"
                self.log.error("handover.failed", reason=str(error), consequence=consequence)
            self.failure = str(error)
            self._may_come_late = self._may_come_late or isinstance(error, OutcomeUnknownError)
            return
        # Once a second one was submitted, the first may still come: the queue is searched once more.
        self._may_come_late = self._may_come_late and successor.is_new
        self.failure = ""
        if successor.job_id != self.successor:
            event = "handover.submitted" if successor.is_new else "handover.adopted"
            self.log.info(event, job_id=successor.job_id)
        self.successor = successor.job_id
        self._log_cancelled(successor.surplus)

    def _log_cancelled(self, jobs: Sequence[str]) -> None:
        for job_id in jobs:
            self.log.info("handover.cancelled", job_id=job_id)
