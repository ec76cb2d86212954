"""Waiting for a job's daemon, by what squeue prints."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from os import getpid
from typing import Any

import pytest

from monitord.client.submission import await_job
from monitord.errors import NotReadyError, SlurmError
from monitord.session.folder import Session
from monitord.session.lease import Holder, process_start
from monitord.slurm.runner import SlurmRunner
from monitord.slurm.submission import Submission

SUBMISSION = Submission("7", "now", "monitord.sbatch", (), (), "python")
PENDING = "7|7|7|PENDING|1|2|||short|Priority\n"


@pytest.fixture(autouse=True)
def at_every_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitord.client.submission.QUERY_SECONDS", 0.0)


def slurm(*queues: str) -> SlurmRunner:
    """Return a Slurm whose queue is one after the other of these; the last one stays."""
    left = list(queues)

    def run(command: Sequence[str], timeout: float, environment: Mapping[str, str]) -> tuple[int, str, str]:
        if command[0] != "squeue":
            return 1, "", "slurm_load_jobs error: Invalid job id specified"
        return 0, left.pop(0) if len(left) > 1 else left[0], ""

    return SlurmRunner(run, pauses=())


def run_in_job(session: Session, **status: Any) -> None:
    """Publish the status of a ready daemon in job 7, which this process is."""
    holder = Holder(socket.gethostname(), getpid(), process_start(getpid()) or 0, "now", "n")
    (session.lease / "0.json").write_text(json.dumps(asdict(holder)))
    session.daemon_status.write_text(json.dumps({"phase": "ready", "slurm_job_id": "7", **status}))


def test_a_job_that_waits_is_shown_with_the_reason(session: Session) -> None:
    shown: list[str] = []
    with pytest.raises(NotReadyError, match=r"after 300ms: job 7 PENDING \(Priority\).*stays submitted"):
        await_job(session, SUBMISSION, {}, 0.3, shown.append, slurm=slurm(PENDING))
    assert "waiting for the daemon to be ready: job 7 PENDING (Priority)" in shown[-1]


def test_a_ready_daemon_of_the_job_ends_the_wait(session: Session) -> None:
    run_in_job(session, term=2)
    await_job(session, SUBMISSION, {"term": 1}, 5.0, slurm=slurm(PENDING))


def test_an_earlier_daemon_of_the_same_number_does_not(session: Session) -> None:
    run_in_job(session, term=2)
    with pytest.raises(NotReadyError):
        await_job(session, SUBMISSION, {"term": 2}, 0.2, slurm=slurm(PENDING))


def test_a_job_that_ended_before_is_an_error(session: Session) -> None:
    with pytest.raises(SlurmError, match="job 7 ended before the daemon was ready; see"):
        await_job(session, SUBMISSION, {}, 5.0, slurm=slurm(PENDING, "", ""))


def test_one_look_without_the_job_proves_nothing(session: Session) -> None:
    with pytest.raises(NotReadyError):
        await_job(session, SUBMISSION, {}, 0.5, slurm=slurm(PENDING, "", PENDING))
