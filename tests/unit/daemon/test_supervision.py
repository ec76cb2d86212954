"""The children that the main loop supervises."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from monitord.daemon.phase import Lifecycle, Phase
from monitord.daemon.supervision import IDLE_SECONDS, Supervision


@dataclass
class FakeChild:
    is_ready: bool = False
    has_given_up: bool = False
    is_saving: bool = False
    has_ended: bool = False
    pause: float | None = None
    calls: list[str] = field(default_factory=list)

    def supervise(self) -> float | None:
        return self.pause

    def save_window(self) -> None:
        self.calls.append("save_window")

    def save_for_next_run(self) -> None:
        self.calls.append("save_for_next_run")

    def retry(self) -> None:
        self.calls.append("retry")

    def stop(self) -> None:
        self.calls.append("stop")

    def abandon(self) -> None:
        self.calls.append("abandon")

    def close(self) -> None:
        self.calls.append("close")


def supervise(*children: FakeChild) -> Supervision:
    supervision = Supervision(Lifecycle())
    for child in children:
        supervision.add(child)
    return supervision


@pytest.mark.parametrize(
    ("children", "phase"),
    [
        ([], Phase.STARTING),
        ([FakeChild()], Phase.STARTING),
        ([FakeChild(is_ready=True)], Phase.READY),
        ([FakeChild(is_ready=True), FakeChild()], Phase.STARTING),
        ([FakeChild(has_given_up=True), FakeChild(is_ready=True)], Phase.DEGRADED),
    ],
)
def test_the_daemons_phase_follows_its_children(children: list[FakeChild], phase: Phase) -> None:
    supervision = supervise(*children)
    supervision.step()
    assert supervision.lifecycle.phase is phase


def test_the_next_step_is_when_the_first_child_asks_for_it() -> None:
    assert supervise(FakeChild(pause=3.0), FakeChild(pause=0.5), FakeChild()).step() == 0.5
    assert supervise(FakeChild(), FakeChild()).step() == IDLE_SECONDS
    assert supervise().step() == IDLE_SECONDS


def test_a_stop_is_over_when_every_child_has_ended() -> None:
    assert supervise().has_ended
    assert not supervise(FakeChild(has_ended=True), FakeChild()).has_ended
    assert supervise(FakeChild(has_ended=True), FakeChild(has_ended=True)).has_ended


def test_the_end_waits_for_any_child_that_saves() -> None:
    assert not supervise().is_saving
    assert supervise(FakeChild(), FakeChild(is_saving=True)).is_saving


def test_every_child_gets_every_request() -> None:
    children = [FakeChild(), FakeChild()]
    supervision = supervise(*children)
    requests = ["save_window", "retry", "save_for_next_run", "stop", "abandon", "close"]
    for request in requests:
        getattr(supervision, request)()
    assert [child.calls for child in children] == [requests, requests]
