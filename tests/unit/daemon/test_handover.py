"""A session that is handed over to another job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monitord.atomic import publish, to_json
from monitord.daemon.handover import Handover
from monitord.session import Session
from monitord.settings import render_settings
from monitord.slurm.job import Job
from monitord.slurm.refusal import ControllerDownError
from monitord.slurm.submission import Submission
from tests.fakes.log import Entries, events, recording_log
from tests.fakes.threads import Threads

SUBMISSION = Submission("7", "2026-01-31T09:30:00Z", "/x/a.sbatch", ("--time=5",), (), "/bin/python")


def at_once(task: Callable[[], None]) -> None:
    task()


@dataclass
class World:
    """A session, and a Slurm that takes submissions or does not."""

    session: Session
    queued: set[str] = field(default_factory=set)
    options: list[tuple[str, ...]] = field(default_factory=list)
    failure: str = ""
    entries: Entries = field(default_factory=list)
    threads: Threads = field(default_factory=lambda: Threads(at_once))

    def handover(self, known: str | None = None) -> Handover:
        log, self.entries = recording_log()
        return Handover(
            self.session, "7", log, self.submit, self.job, self.queued.remove, lambda: None, known,
            self.threads,
        )  # fmt: skip

    def submit(self, submission: Submission, options: tuple[str, ...]) -> str:
        assert submission == SUBMISSION
        if self.failure:
            raise ControllerDownError(self.failure)
        self.options.append(options)
        self.queued.add("8")
        return "8"

    def job(self, job_id: str) -> Job | None:
        return Job(job_id, frozenset({job_id}), "PENDING") if job_id in self.queued else None


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
    assert world.options == [("--time=5", "--dependency=afterany:7")]
    assert handover.successor == "8"
    assert events(world.entries) == ["handover.submitted"]


def test_a_daemon_that_starts_again_finds_the_successor_that_is_there(world: World) -> None:
    world.queued.add("8")
    handover = world.handover(known="8")
    handover.step()
    handover.step()
    assert handover.successor == "8"
    assert world.options == []


def test_a_successor_that_is_gone_is_replaced(world: World) -> None:
    handover = world.handover(known="6")
    handover.step()
    handover.step()
    assert handover.successor == "8"


def test_a_successor_is_not_its_own(world: World) -> None:
    world.queued.add("7")
    handover = world.handover(known="7")
    handover.step()
    handover.step()
    assert handover.successor == "8"


def test_a_refusal_is_told_once_and_tried_again(world: World) -> None:
    world.failure = "sbatch: no answer"
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


def test_without_a_submission_it_says_what_it_takes(world: World) -> None:
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
    assert world.queued == set()
    assert handover.successor is None
    assert events(world.entries)[-1] == "handover.cancelled"
    handover.withdraw()


def test_without_a_thread_it_is_tried_again(world: World) -> None:
    handover = world.handover()
    world.threads.are_left = False
    assert handover.step() < 60
    assert handover.step() <= 60
    world.threads.are_left = True
    handover.step()
    handover.step()
    assert handover.successor == "8"
    assert events(world.entries) == ["handover.failed", "handover.submitted"]
