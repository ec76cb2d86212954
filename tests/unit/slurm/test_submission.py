"""What sbatch is told, and what a successor is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitord.slurm.mark import Found, Mark, session_key
from monitord.slurm.submission import (
    SIGNAL_SECONDS,
    Submission,
    environment_for_slurm,
    read_limit,
    read_submission,
    sbatch_options,
    ssh_lines,
    successor_options,
    successors,
)

MARK = Mark("0123456789abcdef", "start-1")
SUBMISSION = Submission(
    "7", "2026-01-31T09:30:00Z", "/x/monitord.sbatch", ("--time=5",), ("--session", "s"), "/bin/python"
)


def test_options_are_passed_on_as_they_are_and_ones_own_come_last() -> None:
    given = {"partition": "cpu", "account": None, "time": "10"}
    more = ["--mem=8G", "--job-name=mine"]
    options = sbatch_options("s", Path("/r/s"), Path("/r/s/logs"), given, more, MARK)
    assert options == (
        "--job-name=monitord-s", "--chdir=/r/s", "--output=/r/s/logs/slurm-%j.out", "--export=ALL",
        "--partition=cpu", "--time=10", "--signal=B:USR1@150", "--mem=8G", "--job-name=mine",
        f"--comment={MARK}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 300), ("1:30", 90), ("01:00:00", 3600), ("1-0", 86400), ("1-2:30", 95400), ("0-0:0:7", 7),
     ("UNLIMITED", None), ("", None), ("soon", None), ("1:2:3:4", None)],
)  # fmt: skip
def test_a_time_limit_is_read_as_sbatch_reads_it(text: str, seconds: float | None) -> None:
    assert read_limit(text) == seconds


@pytest.mark.parametrize(
    ("limit", "warning"), [("4", ["--signal=B:USR1@60"]), ("16", []), ("1-0", []), (None, [])]
)
def test_a_short_job_is_warned_when_three_quarters_are_over(limit: str | None, warning: list[str]) -> None:
    options = sbatch_options("s", Path("/r/s"), Path("/r/s/logs"), {"time": limit}, (), MARK)
    assert [option for option in options if option.startswith("--signal")] == warning


def test_the_batch_script_warns_when_it_is_said_to() -> None:
    script = (Path(__file__).parents[3] / "slurm" / "monitord.sbatch").read_text()
    assert f"#SBATCH --signal=B:USR1@{SIGNAL_SECONDS}\n" in script


def test_a_submission_is_read_as_it_was_written() -> None:
    assert read_submission(SUBMISSION.as_json()) == SUBMISSION
    assert SUBMISSION.environment == {"MONITORD_PYTHON": "/bin/python"}


@pytest.mark.parametrize("value", [None, [], {}, {**SUBMISSION.as_json(), "options": None}, "7"])
def test_anything_else_is_none(value: Any) -> None:
    assert read_submission(value) is None


def test_a_successor_waits_for_this_job_alone_on_any_node() -> None:
    options = (
        "--time=5",
        "--dependency=afterany:3",
        "--nodelist=n1",
        "--begin=now+1hour",
        f"--comment=x {MARK}",
    )
    mark = Mark(MARK.session, "7")
    assert successor_options(options, "7") == ("--time=5", "--dependency=afterany:7", f"--comment=x {mark}")


def test_a_submission_without_a_mark_goes_by_its_folder() -> None:
    options = ("--chdir=/r/s", "--time=5")
    mark = Mark(session_key("/r/s"), "7")
    assert successor_options(options, "7")[-1] == f"--comment={mark}"


def test_successors_are_found_by_their_mark_or_by_their_name_and_dependency() -> None:
    options = ("--job-name=monitord-s", f"--comment={MARK}")
    mine, others = Mark(MARK.session, "7"), Mark("b" * 16, "7")
    found = (
        Found("12", "PENDING", "afterany:7(unfulfilled)", f"renamed|{mine}"),
        Found("9", "PENDING", "afterany:7(unfulfilled)", "monitord-s|as the site likes it"),
        Found("10", "PENDING", "afterany:77(unfulfilled)", "monitord-s|"),
        Found("11", "PENDING", "afterany:7(unfulfilled)", "monitord-s2|"),
        Found("13", "PENDING", "", f"monitord-t|{others}"),
        Found("14", "PENDING", "", f"monitord-s|{Mark(MARK.session, '8')}"),
        Found("15", "RUNNING", "", f"monitord-s|{MARK}"),
    )
    assert successors(found, options, "7") == ("9", "12")


def test_slurms_commands_are_not_told_what_slurm_told_this_job() -> None:
    told = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "2", "SLURMD_NODENAME": "n1"}
    told |= {"SQUEUE_STATES": "PENDING", "SRUN_MEM": "1G", "SCANCEL_INTERACTIVE": "1", "SCONTROL_ALL": "1"}
    kept = {"SLURM_CONF": "/etc/slurm.conf", "SLURM_CLUSTERS": "c", "SBATCH_ACCOUNT": "p", "PATH": "/bin"}
    assert environment_for_slurm({**told, **kept}) == kept


def test_a_port_on_loopback_is_reached_from_its_node() -> None:
    here, there = ssh_lines("127.0.0.1", 9090, "mel1", "me", "login1")
    assert here == "ssh -N -L 9090:127.0.0.1:9090 mel1"
    assert there == "ssh -N -L 9090:127.0.0.1:9090 -J me@login1 me@mel1"
    assert ssh_lines("10.0.0.7", 9090, "mel1", "me", "login1")[0] == "ssh -N -L 9090:10.0.0.7:9090 mel1"
