"""The end of the allocation: asked for, published, acted on once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from monitord.daemon.allocation import ASK_EVERY_SECONDS, AllocationWatch
from monitord.slurm.allocation import Allocation, Margins
from monitord.slurm.job import Job
from monitord.slurm.refusal import ControllerDownError
from tests.fakes.clock import FakeClock
from tests.fakes.log import Entries, events, recording_log
from tests.fakes.threads import Threads


def at_once(task: Callable[[], None]) -> None:
    task()


@dataclass
class World:
    """A job whose end Slurm moves as a test says, and what came of it."""

    ends_in: float | None = 3600.0
    starts_in: float | None = None
    failure: str = ""
    closed: int = 0
    asked: int = 0
    clock: FakeClock = field(default_factory=FakeClock)
    threads: Threads = field(default_factory=lambda: Threads(at_once))

    def __post_init__(self) -> None:
        log, entries = recording_log()
        self.entries: Entries = entries
        self.watch = AllocationWatch(
            Allocation("7"), Margins(600, 120), self.clock, log,
            ask=self.ask, close=self.close, wake=lambda: None, run=self.threads,
        )  # fmt: skip

    def ask(self, job_id: str) -> Job | None:
        assert job_id == "7"
        self.asked += 1
        if self.failure:
            raise ControllerDownError(self.failure)
        ends_at = None if self.ends_in is None else FakeClock().now() + self.ends_in
        starts_at = None if self.starts_in is None else FakeClock().now() + self.starts_in
        return Job("7", frozenset("7"), "RUNNING", starts_at, ends_at)

    def close(self) -> None:
        self.closed += 1

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with a round whenever one is due."""
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self.clock.advance(min(max(self.watch.step(), 0.001), until - self.clock.monotonic()))
        self.watch.step()


def test_outside_of_slurm_there_is_nothing_to_do() -> None:
    world = World()
    world.watch.allocation = None
    assert world.watch.step() == float("inf")
    assert world.asked == 0


def test_the_end_is_asked_for_warned_of_and_acted_on_once() -> None:
    world = World()
    world.pass_time(10)
    assert world.watch.ends_at == world.clock.wall + 3600
    assert events(world.entries) == ["allocation.known"]
    world.pass_time(3600 - 600 - 10)
    assert events(world.entries) == ["allocation.known", "allocation.ending"]
    assert world.entries[-1]["seconds_left"] == 600
    assert world.closed == 0
    world.pass_time(480)
    assert world.closed == 1
    assert world.entries[-1]["trigger"] == "clock"
    assert world.watch.seconds_left == 100
    world.pass_time(300)
    assert world.closed == 1


def test_a_short_allocation_is_used_for_three_quarters() -> None:
    world = World(ends_in=100.0)
    world.starts_in = 0.0
    world.pass_time(70)
    assert world.closed == 0
    world.pass_time(10)
    assert world.closed == 1


def test_it_is_asked_for_again_because_it_can_be_moved() -> None:
    world = World()
    world.pass_time(3000)
    assert events(world.entries)[-1] == "allocation.ending"
    assert world.asked <= 3000 / ASK_EVERY_SECONDS + 1
    world.ends_in = 7200.0
    world.pass_time(600)
    assert events(world.entries)[-1] == "allocation.moved"
    assert world.closed == 0
    world.pass_time(3600)
    assert world.closed == 1


def test_while_slurm_does_not_answer_the_last_end_stands() -> None:
    world = World()
    world.pass_time(1)
    world.failure = "squeue: no answer"
    world.pass_time(3600)
    assert events(world.entries).count("allocation.unknown") == 1
    assert world.closed == 1


def test_a_job_without_a_limit_has_no_end() -> None:
    world = World(ends_in=None)
    world.pass_time(10_000)
    assert world.watch.ends_at is None
    assert world.entries == []


def test_slurms_signal_counts_whatever_the_clock_says() -> None:
    world = World()
    world.pass_time(1)
    world.watch.warn()
    world.watch.warn()
    world.pass_time(1)
    world.pass_time(1)
    assert world.closed == 1
    assert world.entries[-1]["trigger"] == "signal"


def test_without_a_thread_it_is_asked_again_soon_and_the_end_is_acted_on() -> None:
    world = World()
    world.threads.are_left = False
    world.pass_time(10)
    assert world.asked == 0
    world.threads.are_left = True
    world.pass_time(4)
    assert world.asked == 1
    assert world.watch.ends_at is not None
    world.threads.are_left = False
    world.pass_time(3600)
    assert world.closed == 1
