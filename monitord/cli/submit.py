"""The daemon as a Slurm job: submitting it, waiting for it, and how to reach what it serves."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from monitord.cli._output import say, say_lines
from monitord.cli.wait import Check, await_goal, ready_check
from monitord.client.daemon_command import run_arguments
from monitord.client.jobs import all_jobs, describe
from monitord.client.status import daemon_status
from monitord.documents.timestamps import to_iso
from monitord.errors import NotReadyError, SlurmError
from monitord.session.folder import Session
from monitord.slurm.job import Job
from monitord.slurm.mark import Mark, session_key
from monitord.slurm.refusal import ControllerDownError, OutcomeUnknownError
from monitord.slurm.runner import SlurmRunner
from monitord.slurm.submission import Submission, sbatch_options, ssh_lines
from monitord.system.atomic import publish, to_json
from monitord.system.packaged import packaged

# A question to the controller, which all users of the cluster share.
ASK_EVERY_SECONDS = 2.0


def submit(
    session: Session, given: Mapping[str, str | None], more: Sequence[str], flags: Mapping[str, Any]
) -> Submission:
    """Submit the daemon's job and remember it. Raises NotReadyError when one is queued already."""
    if waiting := all_jobs(session):
        jobs = "; ".join(map(describe, waiting))
        how = f"wait for it with: monitord wait -s {session.name} --for ready; end it with: monitord stop"
        raise NotReadyError(f"session {session.name} has a job already: {jobs}; {how} -s {session.name}")
    mark = Mark(session_key(str(session.folder.resolve())), f"start-{os.urandom(8).hex()}")
    options = sbatch_options(session.name, session.folder, session.logs, given, more, mark)
    script, arguments = str(packaged("slurm/monitord.sbatch")), tuple(run_arguments(session, flags)[1:])
    submission = Submission("", to_iso(time.time()), script, options, arguments, sys.executable)
    try:
        submission = replace(submission, job_id=_submit(submission))
    except OutcomeUnknownError as error:
        _remember(session, submission)  # so that `stop` looks for its job
        raise OutcomeUnknownError(
            f"{error}; take one that comes late back with: monitord stop -s {session.name}"
        ) from None
    _remember(session, submission)
    say(f"submitted job {submission.job_id}", err=True)
    return submission


def _submit(submission: Submission) -> str:
    script, environment = Path(submission.script), submission.environment
    return SlurmRunner().submit(script, submission.options, submission.arguments, environment)


def _remember(session: Session, submission: Submission) -> None:
    publish(session.submission, to_json(submission.as_json()), session.file_mode)


def await_job(session: Session, submission: Submission, before: Mapping[str, Any], timeout: float) -> None:
    """Wait until the job's daemon is ready. Raises SlurmError when it ended before.

    `before` is the daemon's status from before the submission.
    """
    progress = _Progress(session, submission, before)
    try:
        await_goal(progress.check, "the daemon to be ready", timeout)
    except NotReadyError as error:
        how = (
            f"it stays submitted; wait on with: monitord wait -s {session.name} --for ready; "
            f"end it with: monitord stop -s {session.name}"
        )
        raise NotReadyError(f"{error}; {how}") from None


def tell_how_to_reach(daemon: Mapping[str, Any]) -> None:
    """Print the ssh commands that bring Prometheus's port here, and to one's own machine."""
    import getpass
    import socket

    url = urlsplit(daemon["prometheus"]["url"])
    if url.port is None:
        return
    here, there = ssh_lines(
        url.hostname or "", url.port, daemon["host"], getpass.getuser(), socket.gethostname()
    )
    say_lines(f"on {daemon['host']}; to reach it from here: {here}\nfrom your own machine: {there}", err=True)


@dataclass(slots=True)
class _Progress:
    """How far the job is: Slurm is asked now and then, the session's files always."""

    session: Session
    submission: Submission
    before: Mapping[str, Any]
    slurm: SlurmRunner = field(default_factory=SlurmRunner)
    _ready: Check = field(init=False)
    _asked_at: float = float("-inf")
    _said: str = "submitted"
    _misses: int = 0

    def __post_init__(self) -> None:
        self._ready = ready_check(self.session)

    def check(self) -> tuple[bool, str]:
        daemon = daemon_status(self.session)
        if self._is_of_this_job(daemon):
            ready, how = self._ready()
            if ready:
                return True, how
            self._ask()
            return False, f"job {self.submission.job_id} on {daemon.get('host')}: {how}"
        self._ask()
        return False, f"job {self._said}"

    def _is_of_this_job(self, daemon: Mapping[str, Any]) -> bool:
        # Slurm gives the same number again after some months, or when it was set up again. Which one came
        # later is no question for two machines' clocks.
        is_new = any(daemon.get(key) != self.before.get(key) for key in ("term", "started_at"))
        return is_new and daemon.get("slurm_job_id") == self.submission.job_id

    def _ask(self) -> None:
        now = time.monotonic()
        if now - self._asked_at < ASK_EVERY_SECONDS:
            return
        self._asked_at = now
        try:
            job = self.slurm.job(self.submission.job_id)
        except ControllerDownError as error:
            self._said = f"{self.submission.job_id}: {error}"
            return
        self._misses = 0 if job else self._misses + 1
        if self._misses > 1:
            raise SlurmError(self._ending())
        if job is not None:
            self._said = self._describe(job)

    @staticmethod
    def _describe(job: Job) -> str:
        return describe(job) if job.state == "PENDING" else f"{describe(job)}: starting"

    def _ending(self) -> str:
        job_id, daemon = self.submission.job_id, daemon_status(self.session)
        try:
            ending = self.slurm.ending(job_id)
        except SlurmError:
            return f"job {job_id} is over, and the daemon was not ready; see {self.session.logs}"
        reason = daemon.get("last_error") if self._is_of_this_job(daemon) else None
        reasons = "; ".join(filter(None, (reason, f"see {ending.output}" if ending.output else None)))
        return f"job {job_id} ended before the daemon was ready ({ending}): {reasons}"
