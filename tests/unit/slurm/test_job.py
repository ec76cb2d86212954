"""Reading what Slurm's commands print; the lines are from a real 22.05."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.slurm.job import OVER, Ending, Job, read_ending, read_queue, read_steps, read_submitted

RUNNING = "1|1|1|RUNNING|1795520464|1795520644|n1|n1|short|None"
WAITING = "2|2|2|PENDING|N/A|N/A||n/a|short|Dependency"
TO_COME = "7_3|9|7|PENDING|1795524064|1795524244||n/a|short|BeginTime"


def test_a_running_job_has_a_place_and_an_end() -> None:
    assert read_queue(f"{RUNNING}\n") == (
        Job("1", frozenset({"1"}), "RUNNING", 1795520464.0, 1795520644.0, "n1", "n1", "short", number="1"),
    )


def test_what_is_not_known_of_a_waiting_job_is_none() -> None:
    waiting, to_come = read_queue(f"{WAITING}\n{TO_COME}\n")
    assert waiting == Job(
        "2", frozenset({"2"}), "PENDING", partition="short", reason="Dependency", number="2"
    )
    assert to_come.starts_at == 1795524064.0
    assert to_come.names == {"7_3", "9", "7"}
    assert to_come.number == "9"


def test_a_reason_may_hold_anything() -> None:
    [job] = read_queue("2|2|2|PENDING|N/A|N/A||n/a|short|(a | b)\n")
    assert job.reason == "(a | b)"


@pytest.mark.parametrize("text", ["slurm_load_jobs error", "1|2", "|"])
def test_what_squeue_does_not_print_is_no_queue(text: str) -> None:
    with pytest.raises(ValueError, match="is not a line of squeue"):
        read_queue(text)


def test_an_empty_queue_is_no_error() -> None:
    assert read_queue("\n") == ()


@pytest.mark.parametrize("state", sorted(OVER))
def test_a_job_that_ended_is_over(state: str) -> None:
    [job] = read_queue(RUNNING.replace("RUNNING", state))
    assert job.is_over


@pytest.mark.parametrize(("text", "job"), [("17\n", "17"), ("17;alpha\n", "17"), ("be nice\n18\n", "18")])
def test_the_number_of_what_was_submitted(text: str, job: str) -> None:
    assert read_submitted(text) == job


@pytest.mark.parametrize("text", ["", "Submitted batch job", "17 x"])
def test_no_number_is_no_submission(text: str) -> None:
    with pytest.raises(ValueError, match="is not a job id"):
        read_submitted(text)


def test_how_a_job_ended() -> None:
    text = (
        "JobId=1 JobName=a b.sh UserId=root(0) JobState=TIMEOUT Reason=TimeLimit Dependency=(null) "
        "ExitCode=0:15 RunTime=00:00:02 StdErr=/tmp/j.err StdIn=/dev/null StdOut=/tmp/j.out Power= "
    )
    assert read_ending(text) == Ending("TIMEOUT", 0, 15, "/tmp/j.out")
    assert str(read_ending(text)) == "TIMEOUT, signal 15"
    with pytest.raises(ValueError, match="JobState"):
        read_ending("JobState=FAILED")


def test_the_steps_of_a_name() -> None:
    text = "1.batch|batch\n1.0|exporters\n1.1|bench\n1.2|exporters\n"
    assert read_steps(text, "exporters") == ("1.0", "1.2")


@given(st.text())
def test_no_output_breaks_anything_but_its_own_reading(text: str) -> None:
    for read in (read_queue, read_submitted, read_ending):
        try:
            read(text)
        except ValueError:
            continue
    read_steps(text, "x")
