"""The Slurm jobs of a session: which they are, and how they are described.

`daemon` is always the daemon's published status.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from monitord.errors import SlurmError
from monitord.session.folder import Session
from monitord.slurm.job import Job
from monitord.slurm.mark import of_session, session_key
from monitord.slurm.runner import SlurmRunner
from monitord.slurm.submission import Submission, key_of, read_submission
from monitord.system.atomic import read_json
from monitord.system.timestamps import to_iso

# After this, Slurm is reported as not answering.
PATIENCE_SECONDS = 12.0


def pause_between_queries(_seconds: float) -> None:
    """Pause between queries to the Slurm controller, which all users of the cluster share."""
    time.sleep(0.5)


def submission_of(session: Session) -> Submission | None:
    """Return what `monitord start` submitted last."""
    return read_submission(read_json(session.submission))


def may_have_jobs(session: Session, daemon: Mapping[str, Any]) -> bool:
    """Return whether anything of the session was ever submitted; if not, Slurm need not be asked."""
    return session.submission.exists() or bool(_job_ids(session, daemon))


def all_jobs(session: Session, daemon: Mapping[str, Any]) -> tuple[Job, ...]:
    """Return the session's jobs in the queue, also those whose submission sbatch did not report.

    Raises SlurmError.
    """
    slurm = SlurmRunner(pauses=(), read_timeout=PATIENCE_SECONDS)
    submission, here = submission_of(session), session_key(str(session.folder.resolve()))
    keys = {here, key_of(submission.options)} if submission else {here}
    found = slurm.find()
    ids = {*_job_ids(session, daemon), *(job_id for key in keys for job_id in of_session(found, key))}
    return slurm.jobs(ids) if ids else ()


def jobs_status(session: Session, daemon: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the session's known jobs as Slurm describes them, or with state `unknown` and the reason."""
    ids = _job_ids(session, daemon)
    if not ids:
        return ()
    try:
        jobs = SlurmRunner(pauses=(), read_timeout=PATIENCE_SECONDS).jobs(ids)
    except SlurmError as error:
        return tuple({"job_id": job_id, "state": "unknown", "reason": str(error)} for job_id in ids)
    return tuple(job_json(job, daemon.get("successor_job_id")) for job in jobs)


def job_json(job: Job, successor: str | None = None) -> dict[str, Any]:
    """Return a job as `status -o json` prints it."""
    is_pending = job.state == "PENDING"
    return {
        "job_id": job.id,
        "state": job.state,
        "reason": job.reason,
        "nodelist": job.nodelist,
        "partition": job.partition,
        "expected_start": to_iso(job.starts_at) if is_pending and job.starts_at else None,
        "ends_at": to_iso(job.ends_at) if not is_pending and job.ends_at else None,
        "successor": job.id == successor,
    }


def describe(job: Job) -> str:
    """Write a job on one line: `12 PENDING (Priority), expected to start …`."""
    return describe_json(job_json(job))


def describe_json(job: Mapping[str, Any]) -> str:
    """Write a job as `job_json` returns it on one line."""
    text = f"{job['job_id']} {job['state']}"
    if job.get("nodelist"):
        text += f" on {job['nodelist']}"
    if job.get("reason"):
        text += f" ({job['reason']})"
    if job.get("expected_start"):
        text += f", expected to start {job['expected_start']}"
    if job.get("successor"):
        text += ", continues the session when the other job ends"
    return text


def _job_ids(session: Session, daemon: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the jobs that may be this session's: the submitted, the running and the succeeding one."""
    submission = submission_of(session)
    ids = (
        submission.job_id if submission else None,
        daemon.get("slurm_job_id") if (daemon.get("slurm") or {}).get("signals_reach") else None,
        daemon.get("successor_job_id"),
    )
    return tuple(dict.fromkeys(str(job_id) for job_id in ids if job_id))
