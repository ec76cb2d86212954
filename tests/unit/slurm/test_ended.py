"""Which jobs have left the queue, as far as Slurm says."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from monitord.errors import SlurmError
from monitord.slurm.ended import ASK_EVERY_SECONDS, EndedJobs
from monitord.slurm.job import Job
from monitord.slurm.refusal import ControllerDownError
from tests.conftest import wait_until
from tests.fakes.clock import FakeClock
from tests.fakes.log import events, recording_log
from tests.fakes.threads import Threads


@dataclass
class FakeQueue:
    """Holds jobs, or raises; remembers what it was asked for."""

    queued: tuple[Job, ...] = ()
    failure: SlurmError | None = None
    asked: list[frozenset[str]] = field(default_factory=list)

    def __call__(self, jobs: frozenset[str]) -> tuple[Job, ...]:
        self.asked.append(jobs)
        if self.failure:
            raise self.failure
        return self.queued


def job(*names: str) -> Job:
    return Job(names[0], frozenset(names), "RUNNING")


def jobs(*ids: str) -> frozenset[str]:
    return frozenset(ids)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_slurm_is_asked_for_all_jobs_at_once_and_not_often(clock: FakeClock) -> None:
    queue = FakeQueue((job("7"),))
    ended = EndedJobs(clock, recording_log()[0], queue)
    assert ended(frozenset()) == jobs()
    assert queue.asked == []
    for _ in range(5):
        assert ended(jobs("7", "8")) == jobs("8")
    assert queue.asked == [jobs("7", "8")]
    clock.advance(ASK_EVERY_SECONDS)
    ended(jobs("7", "8"))
    assert len(queue.asked) == 2
    ended(jobs("7"))
    assert len(queue.asked) == 2
    ended(jobs("7", "9"))  # a new one is asked for at once
    assert len(queue.asked) == 3


@pytest.mark.parametrize("name", ["1234_5", "1240", "1234"])
def test_a_task_of_an_array_goes_by_any_of_its_numbers(clock: FakeClock, name: str) -> None:
    ended = EndedJobs(clock, recording_log()[0], FakeQueue((job("1234_5", "1240", "1234"),)))
    assert ended(jobs(name, "1234_6")) == jobs("1234_6")


def test_while_slurm_does_not_answer_nothing_has_ended(clock: FakeClock) -> None:
    log, entries = recording_log()
    ended = EndedJobs(clock, log, FakeQueue(failure=ControllerDownError("squeue: no answer after 20 s")))
    for _ in range(3):
        assert ended(jobs("7")) == jobs()
        clock.advance(ASK_EVERY_SECONDS)
    assert events(entries) == ["slurm.unanswered"]
    assert "no answer after 20 s" in entries[0]["reason"]


def test_what_has_ended_stays_ended_while_slurm_does_not_answer(clock: FakeClock) -> None:
    queue = FakeQueue((job("8"),))
    ended = EndedJobs(clock, recording_log()[0], queue)
    assert ended(jobs("7", "8")) == jobs("7")
    queue.failure = ControllerDownError("away")
    clock.advance(ASK_EVERY_SECONDS)
    assert ended(jobs("7", "8")) == jobs("7")


def test_a_slow_answer_is_not_waited_for_but_taken_when_it_has_come(clock: FakeClock) -> None:
    may_answer = threading.Event()

    def slow(_jobs: frozenset[str]) -> tuple[Job, ...]:
        assert may_answer.wait(20)
        return (job("7"),)

    ended = EndedJobs(clock, recording_log()[0], slow)
    assert ended(jobs("7", "8")) == frozenset()
    clock.advance(ASK_EVERY_SECONDS + 1)
    assert ended(jobs("7", "8")) == frozenset(), "nor is a second question asked meanwhile"
    may_answer.set()
    assert wait_until(lambda: ended(jobs("7", "8")), "the answer") == jobs("8")


def test_without_a_thread_nothing_has_ended_and_it_is_asked_again(clock: FakeClock) -> None:
    queue, threads = FakeQueue((job("7"),)), Threads(are_left=False)
    log, entries = recording_log()
    ended = EndedJobs(clock, log, queue, threads)
    for _ in range(3):
        assert ended(jobs("7", "8")) == jobs()
    assert queue.asked == []
    assert events(entries) == ["slurm.unanswered"]
    threads.are_left = True
    assert ended(jobs("7", "8")) == jobs("8")


def test_an_answer_that_nobody_expected_keeps_no_later_one_from_coming(clock: FakeClock) -> None:
    defects = [ValueError("a defect")]

    def queued(_: frozenset[str]) -> tuple[Job, ...]:
        if defects:
            raise defects.pop()
        return (job("7"),)

    ended = EndedJobs(clock, recording_log()[0], queued)
    with pytest.raises(ValueError, match="a defect"):
        ended(jobs("7", "8"))
    clock.advance(ASK_EVERY_SECONDS)
    assert ended(jobs("7", "8")) == jobs("8")
