"""The end of the daemon: in which order things stop, and what is skipped when time is short."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from monitord.daemon.live_settings import LiveSettings
from monitord.daemon.loop import Loop, unguarded
from monitord.daemon.parts import FolderPart, MainPart
from monitord.daemon.phase import Lifecycle, Phase
from monitord.daemon.shutdown import SNAPSHOT_SECONDS, Shutdown
from monitord.session.settings import check_settings
from tests.fakes.clock import FakeClock
from tests.fakes.log import recording_log

TIMEOUT = 30.0


def played(**attributes: Any) -> Any:
    """Return something with these attributes in place of a part."""
    return SimpleNamespace(**attributes)


class World:
    """A shutdown with real loops; the other parts are played, and record what is asked of them."""

    def __init__(self) -> None:
        self.clock, self.calls = FakeClock(), list[str]()
        self.under_way = 3
        self.saves_for = 0.0
        self.folder_hangs = False
        self.allocation = played(is_closing=False, seconds_left=12.0)
        self.stalls = played(text="")
        self.lifecycle = Lifecycle()
        self.lifecycle.observe(lambda phase: self.calls.append(str(phase)))
        log, _ = recording_log()
        self.loop = Loop[MainPart](self.clock, log, unguarded)
        self.folder_loop = Loop[FolderPart](self.clock, log, unguarded)
        self.loop.add(MainPart.ALLOCATION, lambda: 1e9)
        self.loop.add(MainPart.CHILDREN, self.supervise)
        self.shortened: list[float] = []
        parts = played(
            windows=played(
                shorten_deadline=self.shortened.append, close_open=lambda: None, advance=self.advance
            ),
            handover=played(withdraw=lambda: self.calls.append("withdraw")),
            supervision=self,
        )
        settings = check_settings(b"shutdown_timeout: 30s\n")
        self.shutdown = Shutdown(
            self.clock, LiveSettings(settings), self.lifecycle, self.loop, self.folder_loop,
            self.stalls, self.allocation, parts.handover, parts.supervision, parts.windows,
        )  # fmt: skip

    def supervise(self) -> float:
        """Let time pass, in which the other loop makes one round."""
        self.clock.advance(0.1)
        if not self.folder_hangs:
            self.folder_loop.once(longest=0.0)
        self.loop.wake(MainPart.CHILDREN)
        return 0.1

    def advance(self) -> bool:
        self.under_way -= 1
        if not self.under_way:
            self.calls.append("collected")
        return self.under_way > 0

    @property
    def is_saving(self) -> bool:
        return self.clock.monotonic() < self.saved_at

    has_ended = False

    def save_for_next_run(self) -> None:
        self.calls.append("save")
        self.saved_at = self.clock.monotonic() + self.saves_for

    def stop(self) -> None:
        self.calls.append("stop")
        self.stopped_at = self.clock.monotonic()
        self.has_ended = True

    def run(self) -> float:
        """Run the shutdown; return after how long the children were asked to end."""
        begun = self.clock.monotonic()
        self.shutdown.run()
        return self.stopped_at - begun


@pytest.fixture
def world() -> World:
    return World()


def test_windows_come_first_then_the_data_then_the_children(world: World) -> None:
    world.saves_for = 5.0
    assert world.run() == pytest.approx(5.5, abs=0.6)
    assert world.calls == ["stopping", "withdraw", "collected", "save", "stop", "stopped"]
    assert world.shortened == [TIMEOUT]
    assert world.lifecycle.phase is Phase.STOPPED


def test_windows_have_as_long_as_the_settings_allow_and_the_snapshot_some_time_after(world: World) -> None:
    world.under_way, world.saves_for = 10**9, 1e9
    assert world.run() == pytest.approx(TIMEOUT + SNAPSHOT_SECONDS, abs=0.5)
    assert "collected" not in world.calls


def test_before_the_end_of_an_allocation_its_time_counts_and_the_successor_stays(world: World) -> None:
    world.allocation.is_closing = True
    world.run()
    assert world.shortened == [12.0]
    assert "withdraw" not in world.calls


def test_a_second_request_to_stop_skips_what_takes_long(world: World) -> None:
    world.under_way, world.saves_for = 10**9, 1e9
    world.loop.stop()
    world.loop.stop()
    assert world.run() < 1.0
    assert world.lifecycle.phase is Phase.STOPPED


def test_a_session_folder_that_hangs_is_not_waited_for_with_a_snapshot(world: World) -> None:
    world.folder_hangs, world.stalls.text, world.saves_for = True, "it hangs", 1e9
    assert world.run() == pytest.approx(TIMEOUT, abs=0.5)
    assert world.calls == ["stopping", "save", "stop", "stopped"]
