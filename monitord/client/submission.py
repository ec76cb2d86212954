"""The daemon as a Slurm job: submitting it, and waiting until it is ready."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monitord.client.daemon_command import DaemonOptions, run_arguments
from monitord.client.jobs import all_jobs, describe
from monitord.client.status import daemon_status
from monitord.client.waiting import Check, Progress, Show, ready_check, show_nothing, wait_for
from monitord.errors import NotReadyError, SlurmError
from monitord.session.folder import Session
from monitord.slurm.job import Job
from monitord.slurm.mark import Mark, session_key
from monitord.slurm.refusal import ControllerDownError, OutcomeUnknownError
from monitord.slurm.runner import SlurmRunner
from monitord.slurm.submission import Submission, sbatch_options
from monitord.system.atomic import publish, to_json
from monitord.system.packaged import packaged
from monitord.system.timestamps import to_iso

# Between queries to the Slurm controller, which all users of the cluster share.
QUERY_SECONDS = 2.0


def submit(
    session: Session, given: Mapping[str, str | None], more: Sequence[str], options: DaemonOptions
) -> Submission:
    """Submit the daemon's job and record the submission in the session.

    `given` are sbatch's options by name, `more` any others as they are. Raises NotReadyError when the
    session has a job in the queue already.
    """
    if waiting := all_jobs(session, daemon_status(session)):
        jobs = "; ".join(map(describe, waiting))
        raise NotReadyError(
            f"session {session.name} has a job already: {jobs}; wait for it with: "
            f"monitord wait -s {session.name} --for ready; or end it with: monitord stop -s {session.name}"
        )
    mark = Mark(session_key(str(session.folder.resolve())), f"start-{os.urandom(8).hex()}")
    flags = sbatch_options(session.name, session.folder, session.logs, given, more, mark)
    script, arguments = str(packaged("slurm/monitord.sbatch")), tuple(run_arguments(session, options)[1:])
    submission = Submission("", to_iso(time.time()), script, flags, arguments, sys.executable)
    try:
        submission = replace(submission, job_id=_sbatch(submission))
    except OutcomeUnknownError as error:
        _record(session, submission)  # so that `stop` looks for its job
        raise OutcomeUnknownError(
            f"{error}; if the job does appear, end it with: monitord stop -s {session.name}"
        ) from None
    _record(session, submission)
    return submission


def await_job(
    session: Session,
    submission: Submission,
    before: Mapping[str, Any],
    timeout: float,
    show: Show = show_nothing,
    *,
    slurm: SlurmRunner | None = None,
) -> None:
    """Wait until the job's daemon is ready. Raises SlurmError when the job ends before that.

    `before` is the daemon's status from before the submission.
    """
    progress = _JobProgress(session, submission, before, slurm or SlurmRunner())
    try:
        wait_for(progress.check, "the daemon to be ready", timeout, show)
    except NotReadyError as error:
        raise NotReadyError(
            f"{error}; the job stays submitted; wait for it with: monitord wait -s {session.name} "
            f"--for ready; or end it with: monitord stop -s {session.name}"
        ) from None


def _sbatch(submission: Submission) -> str:
    script, environment = Path(submission.script), submission.environment
    return SlurmRunner().submit(script, submission.options, submission.arguments, environment)


def _record(session: Session, submission: Submission) -> None:
    publish(session.submission, to_json(submission.as_json()), session.file_mode)


@dataclass(slots=True)
class _JobProgress:
    """How far the job is: Slurm is queried now and then, the session's files at every poll."""

    session: Session
    submission: Submission
    before: Mapping[str, Any]
    slurm: SlurmRunner
    monotonic: Callable[[], float] = time.monotonic
    _is_ready: Check = field(init=False)
    _queried_at: float = float("-inf")
    _job: str = "submitted"
    _misses: int = 0

    def __post_init__(self) -> None:
        self._is_ready = ready_check(self.session)

    def check(self) -> Progress:
        daemon = daemon_status(self.session)
        if self._is_of_this_job(daemon):
            progress = self._is_ready()
            if progress.done:
                return progress
            self._query()
            where = f"job {self.submission.job_id} on {daemon.get('host')}"
            return Progress(done=False, state=f"{where}: {progress.state}")
        self._query()
        return Progress(done=False, state=f"job {self._job}")

    def _is_of_this_job(self, daemon: Mapping[str, Any]) -> bool:
        # Slurm gives the same number again after some months, or when it was set up again. The clocks of
        # two machines cannot decide which came later.
        is_new = any(daemon.get(key) != self.before.get(key) for key in ("term", "started_at"))
        return is_new and daemon.get("slurm_job_id") == self.submission.job_id

    def _query(self) -> None:
        now = self.monotonic()
        if now - self._queried_at < QUERY_SECONDS:
            return
        self._queried_at = now
        try:
            job = self.slurm.job(self.submission.job_id)
        except ControllerDownError as error:
            self._job = f"{self.submission.job_id}: {error}"
            return
        self._misses = 0 if job else self._misses + 1
        if self._misses > 1:
            raise SlurmError(self._ending())
        if job is not None:
            self._job = self._describe(job)

    @staticmethod
    def _describe(job: Job) -> str:
        return describe(job) if job.state == "PENDING" else f"{describe(job)}: starting"

    def _ending(self) -> str:
        job_id, daemon = self.submission.job_id, daemon_status(self.session)
        try:
            ending = self.slurm.ending(job_id)
        except SlurmError:
            return f"job {job_id} ended before the daemon was ready; see {self.session.logs}"
        reason = daemon.get("last_error") if self._is_of_this_job(daemon) else None
        reasons = "; ".join(filter(None, (reason, f"see {ending.output}" if ending.output else None)))
        return f"job {job_id} ended before the daemon was ready ({ending}): {reasons}"
