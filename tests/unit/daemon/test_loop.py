"""The main loop: parts that are due, wake-ups, failures, and its end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from enum import StrEnum

import pytest
from structlog.typing import FilteringBoundLogger

from monitord.daemon.loop import FAILED_SECONDS, Loop, LoopThread, unguarded
from monitord.session.lease import HeldError
from monitord.system.clock import Clock, SystemClock
from tests.fakes.clock import FakeClock
from tests.fakes.log import events, recording_log


class Part(StrEnum):
    A = "a"
    B = "b"
    C = "c"


def new_loop(clock: Clock | None = None, log: FilteringBoundLogger | None = None) -> Loop[Part]:
    return Loop(clock or FakeClock(), log or recording_log()[0], unguarded)


def nothing() -> None:
    pass


def counting(calls: list[str], name: str, pause: float = 60.0) -> Callable[[], float]:
    def step() -> float:
        calls.append(name)
        return pause

    return step


def test_parts_are_called_in_order_and_again_when_due() -> None:
    clock, calls = FakeClock(), list[str]()
    loop = new_loop(clock)
    loop.add(Part.A, counting(calls, "a", 10.0))
    loop.add(Part.B, counting(calls, "b", 30.0))
    loop.once(longest=0)
    loop.once(longest=0)
    assert calls == ["a", "b"]
    clock.advance(10.0)
    loop.once(longest=0)
    assert calls == ["a", "b", "a"]
    clock.advance(20.0)
    loop.once(longest=0)
    assert calls == ["a", "b", "a", "a", "b"]


def test_what_the_guard_raises_ends_the_loop_before_the_next_part() -> None:
    calls: list[str] = []

    def guard() -> None:
        if calls == ["a", "b"]:
            raise HeldError("taken over")

    clock = FakeClock()
    loop = Loop[Part](clock, recording_log()[0], guard)
    for part in Part:
        loop.add(part, counting(calls, part))
    with pytest.raises(HeldError):
        loop.run()
    assert calls == ["a", "b"]


def test_wake_ups_coalesce_and_those_for_absent_parts_are_ignored() -> None:
    calls: list[str] = []
    loop = new_loop()
    loop.add(Part.A, counting(calls, "a"))
    loop.add(Part.B, counting(calls, "b"))
    loop.once(longest=0)
    for part in (Part.B, Part.B, Part.C, Part.B):
        loop.wake(part)
    loop.once(longest=0)
    loop.once(longest=0)
    loop.once(longest=0)
    assert calls == ["a", "b", "b"]


def test_a_wake_up_during_the_call_leads_to_another() -> None:
    calls: list[str] = []
    loop = new_loop()

    def step() -> float:
        calls.append("a")
        if len(calls) < 3:
            loop.wake(Part.A)
        return 60.0

    loop.add(Part.A, step)
    for _ in range(5):
        loop.once(longest=0)
    assert len(calls) == 3


def test_a_part_that_fails_is_logged_once_and_tried_again_and_disturbs_no_other() -> None:
    clock, calls = FakeClock(), list[str]()
    log, entries = recording_log()
    loop = new_loop(clock, log)
    broken = True

    def failing() -> float:
        if broken:
            raise OSError(28, "No space left on device")
        calls.append("recovered")
        return 60.0

    loop.add(Part.A, failing)
    loop.add(Part.B, counting(calls, "good", FAILED_SECONDS))
    for _ in range(3):
        loop.once(longest=0)
        clock.advance(FAILED_SECONDS)
    assert calls == ["good"] * 3
    assert events(entries) == ["part.failed"]
    assert loop.failure == "a: OSError: [Errno 28] No space left on device"
    broken = False
    loop.once(longest=0)
    assert loop.failure == ""
    assert "recovered" in calls
    broken = True
    clock.advance(60.0)
    loop.once(longest=0)
    assert events(entries) == ["part.failed"] * 2


def test_removed_parts_are_called_no_more() -> None:
    calls: list[str] = []
    loop = new_loop()
    loop.add(Part.A, counting(calls, "a", 0.0))
    loop.remove(Part.A, Part.C)
    loop.wake(Part.A)
    loop.once(longest=0)
    assert calls == []


def test_a_signal_handler_ends_a_loop_that_waits() -> None:
    loop = new_loop(SystemClock())
    before = signal.signal(signal.SIGUSR1, lambda *_: loop.stop())
    killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        killer.start()
        loop.add(Part.A, lambda: 3600.0)
        loop.run()
    finally:
        killer.join()
        signal.signal(signal.SIGUSR1, before)
    assert loop.stop_requests == 1


def test_every_request_to_stop_counts() -> None:
    loop = new_loop()
    loop.stop()
    loop.stop()
    loop.run()
    assert loop.stop_requests == 2


def test_a_task_is_done_between_two_parts_on_the_loops_own_thread() -> None:
    threads: list[int] = []
    loop = new_loop(SystemClock())
    work = LoopThread(loop, failed=lambda _: None)
    loop.call_soon(lambda: threads.append(threading.get_ident()))
    work.start(begin=lambda: threads.append(threading.get_ident()), finish=nothing)
    assert work.end(10.0)
    assert len(threads) == 2
    assert len({*threads, threading.get_ident()}) == 2


def test_the_part_that_is_being_called_is_known() -> None:
    clock, seen = FakeClock(), list[tuple[Part, float] | None]()

    def step() -> float:
        seen.append(loop.busy)
        return 60.0

    loop = new_loop(clock)
    loop.add(Part.A, step)
    loop.once(longest=0.0)
    assert (seen, loop.busy) == ([(Part.A, clock.monotonic())], None)


def test_what_ends_a_thread_ends_the_other_loop_with_its_reason_and_is_finished() -> None:
    main, other = (new_loop(SystemClock()) for _ in range(2))
    done: list[str] = []

    def begin() -> None:
        raise HeldError("taken over")

    work = LoopThread(other, main.fail)
    work.start(begin, lambda: done.append("finished"))
    with pytest.raises(HeldError, match="taken over"):
        main.run()
    assert done == [], "not before the main loop has ended its part"
    assert work.end(10.0)
    assert done == ["finished"]


def test_a_thread_that_hangs_is_waited_for_no_longer_than_asked() -> None:
    may_go_on = threading.Event()

    def hang() -> None:
        may_go_on.wait(30.0)

    work = LoopThread(new_loop(SystemClock()), lambda _: None)
    work.start(hang, nothing)
    assert not work.end(0.05)
    may_go_on.set()
    assert work.end(10.0)


def test_a_thread_that_was_never_started_has_ended() -> None:
    loop = new_loop(SystemClock())
    assert LoopThread(loop, lambda _: None).end(10.0)
