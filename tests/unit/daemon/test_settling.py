"""Settling: one question for all windows, and none that holds anybody up."""

from __future__ import annotations

import threading

from monitord.collect.request import ExpectedTarget
from monitord.daemon.settling import PAUSE_SECONDS, Settling
from monitord.errors import PrometheusUnavailableError
from monitord.prometheus.api.series import Answer, Series
from tests.conftest import wait_until
from tests.fakes.clock import FakeClock
from tests.fakes.threads import Threads

LABELS = {"job": "j", "instance": "i", "client": "c"}
TARGET = ExpectedTarget("http://i/", LABELS, 1.0)


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.scraped_at = 0.0
        self.asked = 0
        self.is_away = False
        self.threads = Threads(lambda task: task())
        self.settling = Settling(self.clock, self.answer, lambda _: (TARGET,), lambda: None, run=self.threads)

    def answer(self) -> Answer:
        self.asked += 1
        if self.is_away:
            raise PrometheusUnavailableError("away")
        return Answer((Series(LABELS, ((self.scraped_at, self.scraped_at),)),))

    def is_settled(self, end: float) -> bool:
        self.clock.advance(PAUSE_SECONDS)
        return self.settling.is_settled(end)


def test_it_is_so_once_every_target_was_scraped_later() -> None:
    world = World()
    world.scraped_at = 10.0
    assert [world.is_settled(10.0) for _ in range(3)] == [False] * 3
    world.scraped_at = 10.1
    world.is_settled(10.0)
    assert world.is_settled(10.0)


def test_a_hundred_windows_are_one_question() -> None:
    world = World()
    world.scraped_at = 1000.0
    world.is_settled(0.0)
    world.settling.is_settled(0.0)
    assert world.asked == 1
    assert all(world.settling.is_settled(float(end)) for end in range(100))
    assert world.asked == 1


def test_it_is_not_asked_more_often_than_it_can_change() -> None:
    world = World()
    for _ in range(50):
        world.settling.is_settled(1.0)
    assert world.asked == 1
    world.is_settled(1.0)
    assert world.asked == 2


def test_a_prometheus_that_is_away_is_asked_again() -> None:
    world = World()
    world.scraped_at, world.is_away = 5.0, True
    assert not any(world.is_settled(1.0) for _ in range(3))
    world.is_away = False
    world.is_settled(1.0)
    assert world.is_settled(1.0)


def test_one_that_hangs_delays_nothing() -> None:
    world, may_answer = World(), threading.Event()

    def answer() -> Answer:
        assert may_answer.wait(20)
        return world.answer()

    world.scraped_at = 5.0
    settling = Settling(world.clock, answer, lambda _: (TARGET,), lambda: None)
    assert not settling.is_settled(1.0)
    assert not settling.is_settled(1.0)
    may_answer.set()
    wait_until(lambda: settling.is_settled(1.0), "the answer")
    assert world.asked == 1


def test_without_a_thread_it_is_not_known_and_asked_again() -> None:
    world = World()
    world.scraped_at = 10.0
    world.threads.are_left = False
    assert not any(world.is_settled(5.0) for _ in range(3))
    world.threads.are_left = True
    assert not world.is_settled(5.0)
    assert world.is_settled(5.0)
