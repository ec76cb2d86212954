"""The mark in the --comment of a submission, by which the job is found in the queue. Pure.

sbatch may report a time-out for a job that Slurm has accepted, and then its id is not known. The mark
identifies it: it names the session that the job runs, and the job or command that submitted it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from monitord.slurm.job import OVER

FOUND_FORMAT = "%A|%T|%E|%j|%k"
_MARK = re.compile(r"monitord:([0-9a-f]{16}):([A-Za-z0-9_.-]+)", re.ASCII)
_ENDING = OVER | {"COMPLETING"}


@dataclass(frozen=True, slots=True)
class Mark:
    """`session` comes from `session_key`; `by` is the submitting job's id, or a random number of a
    command.
    """

    session: str
    by: str

    def __str__(self) -> str:
        return f"monitord:{self.session}:{self.by}"


@dataclass(frozen=True, slots=True)
class Found:
    """One of the user's jobs in the queue. `name_and_comment` is free text."""

    job_id: str
    state: str
    dependency: str
    name_and_comment: str

    @property
    def marks(self) -> tuple[Mark, ...]:
        return tuple(Mark(*found) for found in _MARK.findall(self.name_and_comment))


def session_key(folder: str) -> str:
    """Return the identifier of a session in marks; `folder` is its path without symbolic links."""
    return hashlib.sha256(folder.encode(errors="surrogateescape")).hexdigest()[:16]


def add_mark(options: Sequence[str], mark: Mark) -> tuple[str, ...]:
    """Return sbatch's options with a mark in the comment, after the user's own comment."""
    kept, comment, is_value = list[str](), "", False
    for option in options:
        if is_value or option.startswith("--comment="):
            comment = option.removeprefix("--comment=")
        elif option != "--comment":
            kept.append(option)
        is_value = option == "--comment" and not is_value
    users = " ".join(_MARK.sub("", comment).split())
    return (*kept, f"--comment={users} {mark}" if users else f"--comment={mark}")


def mark_of(options: Iterable[str]) -> Mark | None:
    """Return the mark in sbatch's options; None without one."""
    comments = [_MARK.search(option) for option in options if option.startswith("--comment=")]
    return next((Mark(found[1], found[2]) for found in comments if found), None)


def read_found(text: str) -> tuple[Found, ...]:
    """Parse the output of squeue with FOUND_FORMAT, without jobs that are ending.

    Other lines are ignored, since comments may contain line breaks.
    """
    lines = [line.strip().split("|", 3) for line in text.splitlines()]
    found = [Found(*fields) for fields in lines if len(fields) == 4 and fields[0].isdigit()]
    return tuple(job for job in found if job.state not in _ENDING)


def of_session(found: Iterable[Found], key: str) -> tuple[str, ...]:
    """Return the jobs that run a session, the oldest first."""
    return oldest_first(job for job in found if any(mark.session == key for mark in job.marks))


def jobs_with_mark(found: Iterable[Found], mark: Mark) -> tuple[str, ...]:
    """Return the jobs of one submission, the oldest first."""
    return oldest_first(job for job in found if mark in job.marks)


def waiting_for(found: Iterable[Found], job_id: str, name: str) -> tuple[Found, ...]:
    """Return the jobs with a name that wait for the end of another job."""
    waits = re.compile(rf"\bafterany:{re.escape(job_id)}(?![0-9])")
    return tuple(
        job for job in found if job.name_and_comment.startswith(f"{name}|") and waits.search(job.dependency)
    )


def oldest_first(found: Iterable[Found]) -> tuple[str, ...]:
    """Return the ids of jobs, the oldest first."""
    return tuple(sorted({job.job_id for job in found}, key=int))
