"""The Slurm jobs of a session, for the commands that show, await and end them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from monitord.client.status import daemon_status
from monitord.documents.timestamps import to_iso
from monitord.session.folder import Session
from monitord.slurm.job import Job
from monitord.slurm.mark import of_session, session_key
from monitord.slurm.runner import SlurmRunner
from monitord.slurm.submission import Submission, key_of, read_submission
from monitord.system.atomic import read_json

# `status` would rather say that Slurm does not answer.
PATIENCE_SECONDS = 12.0


def seldom(_seconds: float) -> None:
    """Wait between questions to the controller, which all users share; for `wait_for`."""
    time.sleep(0.5)


def submission_of(session: Session) -> Submission | None:
    """Return what `monitord start` submitted last."""
    return read_submission(read_json(session.submission))


def job_ids(session: Session) -> tuple[str, ...]:
    """Return the jobs that may be this session's: submitted, running, and the one that is to go on."""
    submission, daemon = submission_of(session), daemon_status(session)
    ids = (
        submission.job_id if submission else None,
        daemon.get("slurm_job_id") if (daemon.get("slurm") or {}).get("signals_reach") else None,
        daemon.get("successor_job_id"),
    )
    return tuple(dict.fromkeys(str(job_id) for job_id in ids if job_id))


def queued_jobs(session: Session) -> tuple[Job, ...]:
    """Return those of the session's jobs that are in the queue. Raises SlurmError."""
    ids = job_ids(session)
    return SlurmRunner(pauses=(), read_timeout=PATIENCE_SECONDS).jobs(ids) if ids else ()


def may_have_jobs(session: Session) -> bool:
    """Say whether anything of the session was ever submitted: where nothing was, Slurm is not asked."""
    return session.submission.exists() or bool(job_ids(session))


def all_jobs(session: Session) -> tuple[Job, ...]:
    """Return the session's jobs in the queue, also those whose submission sbatch did not report.

    Raises SlurmError.
    """
    slurm = SlurmRunner(pauses=(), read_timeout=PATIENCE_SECONDS)
    submission, here = submission_of(session), session_key(str(session.folder.resolve()))
    keys = {here, key_of(submission.options)} if submission else {here}
    found = slurm.find()
    ids = {*job_ids(session), *(job_id for key in keys for job_id in of_session(found, key))}
    return slurm.jobs(ids) if ids else ()


def job_json(job: Job, successor: str | None = None) -> dict[str, Any]:
    """Return what `status -o json` says of a job."""
    waits = job.state == "PENDING"
    return {
        "job_id": job.id,
        "state": job.state,
        "reason": job.reason,
        "nodelist": job.nodelist,
        "partition": job.partition,
        "expected_start": to_iso(job.starts_at) if waits and job.starts_at else None,
        "ends_at": to_iso(job.ends_at) if not waits and job.ends_at else None,
        "successor": job.id == successor,
    }


def describe(job: Job) -> str:
    """Write what a job is about: `12 PENDING (Priority), expected to start …`."""
    return line_of(job_json(job))


def line_of(job: Mapping[str, Any]) -> str:
    """Write what `job_json` returns as text."""
    text = f"{job['job_id']} {job['state']}"
    if job.get("nodelist"):
        text += f" on {job['nodelist']}"
    if job.get("reason"):
        text += f" ({job['reason']})"
    if job.get("expected_start"):
        text += f", expected to start {job['expected_start']}"
    if job.get("successor"):
        text += ", goes on when the other one ends"
    return text
