"""Slurm's commands on a real Slurm."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitord.errors import SlurmError
from monitord.slurm.job import Ending, Job
from monitord.slurm.refusal import ControllerDownError, NoSuchPartitionError, UnknownJobError
from monitord.slurm.runner import SlurmRunner
from tests.conftest import wait_until
from tests.slurm_cluster import SlurmCluster

SLEEP = "#!/bin/sh\nexec sleep 300\n"


@pytest.fixture
def slurm(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmRunner]:
    """The runner, in an environment that leads to the cluster; what it started is ended."""
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield SlurmRunner()
    cluster.run("scancel", "--user=root")


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "job.sh"
    file.write_text(SLEEP)
    return file


def running(slurm: SlurmRunner, job_id: str) -> Job:
    def look() -> Job | None:
        job = slurm.job(job_id)
        return job if job is not None and job.state == "RUNNING" and job.nodelist else None

    return wait_until(look, "the job to run")


def test_a_job_from_its_submission_to_its_end(slurm: SlurmRunner, script: Path, tmp_path: Path) -> None:
    options = ["--time=5", f"--output={tmp_path}/out", "--partition=short"]
    before = time.time()
    job_id = slurm.submit(script, options)
    job = running(slurm, job_id)
    assert job.nodelist in {"n1", "n2"}
    assert job.starts_at is not None
    assert job.ends_at is not None
    assert abs(job.starts_at - before) < 30
    assert job.ends_at - job.starts_at == 300
    slurm.cancel(job_id)
    wait_until(lambda: slurm.job(job_id) is None, "the job to leave the queue")
    ended = slurm.job(job_id, over=True)
    assert ended is not None
    assert ended.is_over
    ending = slurm.ending(job_id)  # its signal is 15, or 0 since 24.11
    assert (ending.state, ending.exit_code, ending.output) == ("CANCELLED", 0, f"{tmp_path}/out")
    slurm.cancel(job_id)


def test_only_the_batch_script_gets_a_signal(slurm: SlurmRunner, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text(f"#!/bin/bash\ntrap 'echo got >> {tmp_path}/got; exit 7' USR1\nsleep 300 & wait\n")
    job_id = slurm.submit(script, [f"--output={tmp_path}/out"])
    running(slurm, job_id)
    wait_until((tmp_path / "out").exists, "the script to run")
    slurm.signal_batch(job_id, signal.Signals.SIGUSR1.name.removeprefix("SIG"))
    wait_until((tmp_path / "got").exists, "the signal")
    wait_until(lambda: slurm.job(job_id) is None, "the job to end")
    assert slurm.ending(job_id) == Ending("FAILED", 7, 0, f"{tmp_path}/out")


def test_a_job_that_waits_says_why_and_from_when(slurm: SlurmRunner, script: Path) -> None:
    options = ["--begin=now+1hour", "--output=/dev/null", "--array=3-4"]
    job_id = slurm.submit(script, options)
    jobs = wait_until(lambda: slurm.jobs({job_id}), "the array")
    assert {name for job in jobs for name in job.names} >= {job_id, f"{job_id}_3", f"{job_id}_4"}
    assert {job.state for job in jobs} == {"PENDING"}
    wait_until(lambda: {job.reason for job in slurm.jobs({job_id})} == {"BeginTime"}, "the reason")


def test_what_a_user_wants_to_see_of_the_queue_hides_no_job(
    slurm: SlurmRunner, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_STATES", "SUSPENDED")
    monkeypatch.setenv("SQUEUE_PARTITION", "elsewhere")
    job_id = slurm.submit(script, ["--output=/dev/null"])
    assert running(slurm, job_id).id == job_id


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("--partition=nosuch", NoSuchPartitionError),
        ("--time=soon", SlurmError),
        ("--nodelist=elsewhere", SlurmError),
        ("--constraint=gpu", SlurmError),
        ("--reservation=ours", SlurmError),
        ("--mem=100T", SlurmError),
    ],
)
def test_a_submission_that_is_refused_says_what_to_do(
    slurm: SlurmRunner, script: Path, option: str, kind: type[SlurmError]
) -> None:
    with pytest.raises(kind, match=r"; (list|see|write|no node)") as refused:
        slurm.submit(script, [option])
    assert type(refused.value) is kind


def test_a_job_that_never_was_is_unknown(slurm: SlurmRunner) -> None:
    assert slurm.jobs({"99999"}) == ()
    assert slurm.steps("99999", "exporters") == ()
    with pytest.raises(UnknownJobError):
        slurm.ending("99999")


def test_the_controller_may_be_away_for_a_while(
    slurm: SlurmRunner, script: Path, cluster: SlurmCluster
) -> None:
    job_id = slurm.submit(script, ["--output=/dev/null"])
    running(slurm, job_id)
    cluster.stop_controller()
    try:
        with pytest.raises(ControllerDownError, match="scontrol ping"):
            SlurmRunner(pauses=()).jobs({job_id})

        def start(_seconds: float) -> None:
            cluster.start_controller()
            cluster.await_controller()

        assert SlurmRunner(pause=start, pauses=(1.0,)).job(job_id) is not None
    finally:
        cluster.ensure_controller()
