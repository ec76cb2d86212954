"""Asking for health: one question at a time, and never more often than it is worth."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from monitord.daemon.health import COST_FACTOR, HealthPoll
from monitord.errors import PrometheusUnavailableError
from monitord.prometheus.api.series import Answer, Series
from monitord.system.background import NO_THREAD_SECONDS
from monitord.targets.registry import Registry
from monitord.targets.scrape_health import DOWN_SECONDS, SETTLED_SECONDS, ScrapeHealth
from tests.conftest import wait_until
from tests.fakes.clock import FakeClock
from tests.fakes.threads import Threads


class FakeTargets:
    """Records the health that is published."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.published: list[dict[Any, ScrapeHealth]] = []

    def set_healths(self, healths: dict[Any, ScrapeHealth]) -> None:
        self.published.append(healths)


class FakePrometheus:
    """Answers when it may, after a time by the fake clock."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.cost = 0.0
        self.asked = self.counted = 0
        self.counts: dict[str, float] = {}
        self.is_away = False

    def __enter__(self) -> FakePrometheus:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def query(self, promql: str) -> Answer:
        self.counted += 1
        return Answer(tuple(Series({"up": value}, ((0.0, n),)) for value, n in self.counts.items()))

    def targets_json(self) -> bytes:
        self.asked += 1
        assert self.may_answer.wait(20)
        if self.is_away:
            raise PrometheusUnavailableError("away")
        self.clock.advance(self.cost)
        target = {"labels": {"client": "c", "job": "j", "instance": "i"}, "health": "up"}
        return json.dumps({"data": {"activeTargets": [target]}}).encode()


class World:
    """A health poll with everything around it played."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.prometheus = FakePrometheus(self.clock)
        self.targets = FakeTargets()
        self.is_ready = True
        self.woken = threading.Event()
        connect: Any = lambda _timeout: self.prometheus  # noqa: E731
        targets: Any = self.targets
        self.threads = Threads()
        self.health = HealthPoll(
            self.clock, targets, connect, lambda: self.is_ready, self.woken.set, self.threads
        )

    def ask(self) -> float:
        """Ask and take the answer; return when it is due again."""
        self.woken.clear()
        self.health.poll()
        wait_until(self.woken.is_set, "the answer")
        return self.health.poll()


@pytest.fixture
def world() -> World:
    return World()


def test_an_answer_is_handed_on(world: World) -> None:
    assert world.ask() == SETTLED_SECONDS
    assert world.targets.published == [{("c", "j", "i"): ScrapeHealth("up")}]


def test_prometheus_is_not_asked_before_it_is_ready(world: World) -> None:
    world.is_ready = False
    assert world.health.poll() == 1.0
    assert world.prometheus.asked == 0


def test_a_slow_answer_holds_nothing_up_and_is_asked_for_once(world: World) -> None:
    world.prometheus.may_answer.clear()
    world.health.poll()
    wait_until(lambda: world.prometheus.asked, "the question")
    world.health.poll()
    assert (world.prometheus.asked, world.targets.published) == (1, [])
    world.prometheus.may_answer.set()
    wait_until(world.woken.is_set, "the answer")
    world.health.poll()
    assert len(world.targets.published) == 1


def test_what_is_dear_is_asked_for_seldom_also_when_woken(world: World) -> None:
    world.prometheus.cost = 0.7
    assert world.ask() == pytest.approx(0.7 * COST_FACTOR)
    world.clock.advance(30.0)
    assert world.health.poll() == pytest.approx(0.7 * COST_FACTOR - 30.0)
    assert world.prometheus.asked == 1
    world.clock.advance(0.7 * COST_FACTOR - 29.0)
    world.ask()
    assert world.prometheus.asked == 2


def test_a_prometheus_that_is_away_is_asked_again(world: World) -> None:
    world.prometheus.is_away = True
    assert world.ask() == DOWN_SECONDS
    world.prometheus.is_away = False
    world.ask()
    assert len(world.targets.published) == 1


def test_another_prometheus_is_asked_at_once_whatever_the_last_one_cost(world: World) -> None:
    world.prometheus.cost = 14.0  # it hung for a while
    assert world.ask() > 1000
    world.health.start_over()
    world.ask()
    assert world.prometheus.asked == 2


def test_while_all_are_up_it_is_only_asked_how_many_are(world: World) -> None:
    world.ask()
    world.prometheus.counts = {"1": 1.0}
    for _ in range(5):
        world.clock.advance(SETTLED_SECONDS)
        assert world.ask() == SETTLED_SECONDS
    assert (world.prometheus.asked, world.prometheus.counted) == (1, 5)
    assert world.targets.published[-1] == {("c", "j", "i"): ScrapeHealth("up")}


@pytest.mark.parametrize("counts", [{"0": 1.0}, {"1": 2.0}, {}, {"0": 1.0, "1": 1.0}])
def test_when_it_is_another_number_more_is_asked_for(world: World, counts: dict[str, float]) -> None:
    world.ask()
    world.prometheus.counts = counts
    world.clock.advance(SETTLED_SECONDS)
    world.ask()
    assert world.prometheus.asked == 2


def test_without_a_thread_it_is_asked_again_soon(world: World) -> None:
    world.threads.are_left = False
    assert world.health.poll() == NO_THREAD_SECONDS
    assert world.health.poll() == DOWN_SECONDS
    world.threads.are_left = True
    assert world.ask() == SETTLED_SECONDS
    assert len(world.targets.published) == 1
