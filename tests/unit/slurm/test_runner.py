"""Which jobs have left the queue, as far as Slurm says."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from monitord.slurm.runner import ASK_EVERY_SECONDS, EndedJobs
from tests.conftest import wait_until
from tests.fakes.clock import FakeClock
from tests.fakes.log import events, recording_log


@dataclass
class FakeSqueue:
    """Prints `output`, or raises; remembers what it was asked for."""

    output: str = ""
    code: int = 0
    errors: str = ""
    failure: OSError | None = None
    asked: list[list[str]] = field(default_factory=list)

    def __call__(self, command: Sequence[str], seconds: float) -> tuple[int, str, str]:
        self.asked.append(list(command))
        if self.failure:
            raise self.failure
        return self.code, self.output, self.errors


def jobs(*ids: str) -> frozenset[str]:
    return frozenset(ids)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_slurm_is_asked_for_all_jobs_at_once_and_not_often(clock: FakeClock) -> None:
    squeue = FakeSqueue("7 7 7\n")
    ended = EndedJobs(clock, recording_log()[0], squeue)
    assert ended(frozenset()) == jobs()
    assert squeue.asked == []
    for _ in range(5):
        assert ended(jobs("7", "8")) == jobs("8")
    [command] = squeue.asked
    assert command[0] == "squeue"
    assert "--jobs=7,8" in command
    clock.advance(ASK_EVERY_SECONDS)
    ended(jobs("7", "8"))
    assert len(squeue.asked) == 2
    ended(jobs("7"))
    assert len(squeue.asked) == 2
    ended(jobs("7", "9"))  # a new one is asked for at once
    assert len(squeue.asked) == 3


@pytest.mark.parametrize("job", ["1234_5", "1240", "1234"])
def test_a_task_of_an_array_goes_by_any_of_its_numbers(clock: FakeClock, job: str) -> None:
    ended = EndedJobs(clock, recording_log()[0], FakeSqueue("1234_5 1240 1234\n"))
    assert ended(jobs(job, "1234_6")) == jobs("1234_6")


def test_slurm_calls_a_single_job_that_is_long_over_invalid(clock: FakeClock) -> None:
    squeue = FakeSqueue(code=1, errors="slurm_load_jobs error: Invalid job id specified\n")
    assert EndedJobs(clock, recording_log()[0], squeue)(jobs("7")) == jobs("7")


@pytest.mark.parametrize(
    ("squeue", "reason"),
    [
        (
            FakeSqueue(failure=FileNotFoundError(2, "No such file or directory")),
            "cannot be run: No such file",
        ),
        (FakeSqueue(failure=OSError(0, "no answer after 10 s")), "no answer after 10 s"),
        (FakeSqueue(code=1, errors="Unable to contact slurm controller\n"), "squeue: Unable to contact"),
        (FakeSqueue(code=7), "squeue: exit code 7"),
    ],
)
def test_while_slurm_does_not_answer_nothing_has_ended(
    clock: FakeClock, squeue: FakeSqueue, reason: str
) -> None:
    log, entries = recording_log()
    ended = EndedJobs(clock, log, squeue)
    for _ in range(3):
        assert ended(jobs("7")) == jobs()
        clock.advance(ASK_EVERY_SECONDS)
    assert events(entries) == ["slurm.unanswered"]
    assert reason in entries[0]["reason"]


def test_what_has_ended_stays_ended_while_slurm_does_not_answer(clock: FakeClock) -> None:
    squeue = FakeSqueue("8 8 8\n")
    ended = EndedJobs(clock, recording_log()[0], squeue)
    assert ended(jobs("7", "8")) == jobs("7")
    squeue.failure = OSError(5, "Input/output error")
    clock.advance(ASK_EVERY_SECONDS)
    assert ended(jobs("7", "8")) == jobs("7")


def test_a_slow_answer_is_not_waited_for_but_taken_when_it_has_come(clock: FakeClock) -> None:
    may_answer = threading.Event()

    def slow(_command: Sequence[str], _timeout: float) -> tuple[int, str, str]:
        assert may_answer.wait(20)
        return 0, "7 7 7\n", ""

    ended = EndedJobs(clock, recording_log()[0], slow)
    assert ended(jobs("7", "8")) == frozenset()
    clock.advance(ASK_EVERY_SECONDS + 1)
    assert ended(jobs("7", "8")) == frozenset(), "nor is a second question asked meanwhile"
    may_answer.set()
    assert wait_until(lambda: ended(jobs("7", "8")), "the answer") == jobs("8")
