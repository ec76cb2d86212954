"""A session that is handed over to another job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitord.daemon.handover import RETRY_SECONDS, Handover
from monitord.errors import SlurmError
from monitord.session.folder import Session
from monitord.session.settings import render_settings
from monitord.slurm.job import Job
from monitord.slurm.mark import Found
from monitord.slurm.refusal import ControllerDownError, OutcomeUnknownError
from monitord.slurm.submission import Submission
from monitord.system.atomic import publish, to_json
from monitord.system.background import Run
from tests.fakes.log import Entries, events, recording_log
from tests.fakes.threads import Threads

KEY = "0123456789abcdef"
SUBMISSION = Submission(
    "7",
    "2026-01-31T09:30:00Z",
    "/x/a.sbatch",
    ("--time=5", f"--comment=monitord:{KEY}:start-1"),
    (),
    "/bin/python",
)
NOT_REPORTED = "sbatch: Socket timed out on send/recv operation"


def at_once(task: Callable[[], None]) -> None:
    task()


@dataclass
class World:
    """A session, and a Slurm that takes submissions, or does not, or does and reports a time-out."""

    session: Session
    queued: dict[str, str] = field(default_factory=dict)  # comments by id
    options: list[tuple[str, ...]] = field(default_factory=list)
    failure: str = ""
    accepts: bool = True
    held_back: dict[str, str] = field(default_factory=dict)
    is_slow: bool = False  # accepted submissions come into the queue only later
    entries: Entries = field(default_factory=list)
    run: Run = at_once

    def handover(self, known: str | None = None) -> Handover:
        log, self.entries = recording_log()
        return Handover(
            self.session,
            "7",
            log,
            self.submit,
            self.job,
            self.find,
            self.cancel,
            lambda: None,
            known,
            self.run,
        )

    def submit(self, submission: Submission, options: tuple[str, ...]) -> str:
        assert submission == SUBMISSION
        if self.failure and not self.accepts:
            raise SlurmError(self.failure)
        self.options.append(options)
        job_id = str(8 + len(self.queued) + len(self.held_back))
        [comment] = [option for option in options if option.startswith("--comment=")]
        (self.held_back if self.is_slow else self.queued)[job_id] = comment
        if self.failure:
            raise OutcomeUnknownError(self.failure)
        return job_id

    def arrive(self) -> None:
        """Have what was held back come into the queue."""
        self.queued |= self.held_back
        self.held_back, self.is_slow = {}, False

    def job(self, job_id: str) -> Job | None:
        return Job(job_id, frozenset({job_id}), "PENDING") if job_id in self.queued else None

    def find(self) -> Sequence[Found]:
        return [Found(job_id, "PENDING", "", f"x|{comment}") for job_id, comment in self.queued.items()]

    def cancel(self, *ids: str) -> None:
        for job_id in ids:
            del self.queued[job_id]


def turn(handover: Handover, rounds: int = 2) -> float:
    """Let it ask and take the answer, so many times; return when the next round is due."""
    return [handover.step() for _ in range(rounds)][-1]


@pytest.fixture
def world(tmp_path: Path) -> World:
    session = Session(tmp_path, "s")
    session.create(render_settings({"session": "s"}))
    publish(session.submission, to_json(SUBMISSION.as_json()), 0o600)
    return World(session)


def test_a_job_like_this_one_is_submitted_once_to_start_when_it_has_ended(world: World) -> None:
    handover = world.handover()
    for _ in range(3):
        handover.step()
    mark = f"--comment=monitord:{KEY}:7"
    assert world.options == [("--time=5", "--dependency=afterany:7", mark)]
    assert handover.successor == "8"
    assert events(world.entries) == ["handover.submitted"]


def test_a_daemon_that_starts_again_finds_the_successor_that_is_there(world: World) -> None:
    world.queued["8"] = "an earlier version's"
    handover = world.handover(known="8")
    handover.step()
    handover.step()
    assert handover.successor == "8"
    assert world.options == []
    assert list(world.queued) == ["8"]


def test_a_successor_that_is_gone_is_replaced(world: World) -> None:
    handover = world.handover(known="6")
    handover.step()
    handover.step()
    assert handover.successor == "8"


def test_a_successor_is_not_its_own(world: World) -> None:
    world.queued["7"] = f"monitord:{KEY}:6"
    handover = world.handover(known="7")
    turn(handover)
    assert handover.successor == "9"


def test_a_refusal_is_logged_once_and_tried_again(world: World) -> None:
    world.failure, world.accepts = "sbatch: no answer", False
    handover = world.handover()
    for _ in range(3):
        handover.step()
        assert handover.step() < 3600
    assert events(world.entries) == ["handover.failed"]
    assert handover.failure == "sbatch: no answer"
    world.failure = ""
    handover.step()
    handover.step()
    assert handover.successor == "8"
    assert handover.failure == ""


def test_without_a_submission_the_reason_is_logged(world: World) -> None:
    world.session.submission.unlink()
    handover = world.handover()
    handover.step()
    handover.step()
    assert "monitord start" in handover.failure


def test_a_session_that_is_stopped_takes_its_successor_back(world: World) -> None:
    handover = world.handover()
    handover.step()
    handover.step()
    handover.withdraw()
    assert not world.queued
    assert handover.successor is None
    assert events(world.entries)[-1] == "handover.cancelled"
    handover.withdraw()


def test_without_a_thread_it_is_tried_again(world: World) -> None:
    threads = Threads(at_once, are_left=False)
    world.run = threads
    handover = world.handover()
    assert handover.step() < 60
    assert handover.step() <= 60
    threads.are_left = True
    handover.step()
    handover.step()
    assert handover.successor == "8"
    assert events(world.entries) == ["handover.failed", "handover.submitted"]


def test_a_submission_whose_outcome_is_unknown_is_adopted_once_it_is_in_the_queue(world: World) -> None:
    world.failure, world.is_slow = NOT_REPORTED, True
    handover = world.handover()
    assert turn(handover) == RETRY_SECONDS
    assert events(world.entries) == ["handover.failed"]
    world.arrive()
    turn(handover, 6)
    assert handover.successor == "8"
    assert (list(world.queued), len(world.options)) == (["8"], 1)
    assert events(world.entries) == ["handover.failed", "handover.adopted"]


def test_one_that_comes_after_a_second_was_submitted_is_cancelled(world: World) -> None:
    world.failure, world.is_slow = NOT_REPORTED, True
    handover = world.handover()
    turn(handover)
    world.failure, world.is_slow = "", False
    assert turn(handover) == RETRY_SECONDS  # to look once more
    assert handover.successor == "9"
    world.arrive()
    assert turn(handover) == float("inf")
    assert list(world.queued) == ["9"]
    assert handover.successor == "9"
    assert events(world.entries)[-1] == "handover.cancelled"


def test_a_daemon_that_starts_again_finds_what_the_last_one_could_not_know_of(world: World) -> None:
    world.queued = {"9": f"monitord:{KEY}:7", "8": f"monitord:{KEY}:7", "3": f"monitord:{KEY}:start-1"}
    handover = world.handover()
    turn(handover, 4)
    assert handover.successor == "8"
    assert sorted(world.queued) == ["3", "8"]
    assert world.options == []


def test_without_an_answer_from_the_queue_nothing_is_submitted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> Sequence[Found]:
        raise ControllerDownError("squeue: no answer")

    monkeypatch.setattr(world, "find", away)
    handover = world.handover()
    assert turn(handover) == RETRY_SECONDS
    assert world.options == []
    assert handover.failure == "squeue: no answer"


def test_a_stop_takes_back_what_is_in_the_queue_without_a_report(world: World) -> None:
    world.failure, world.is_slow = NOT_REPORTED, True
    handover = world.handover()
    turn(handover)
    world.arrive()
    handover.withdraw()
    assert not world.queued
    assert events(world.entries)[-1] == "handover.cancelled"


def test_a_stop_during_a_submission_takes_its_job_back(world: World) -> None:
    tasks: list[Callable[[], None]] = []
    world.run = tasks.append
    handover = world.handover()
    handover.step()
    handover.withdraw()
    [ask] = tasks
    ask()
    assert len(world.options) == 1
    assert not world.queued
