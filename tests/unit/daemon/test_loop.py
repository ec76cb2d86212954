"""The main loop: parts that are due, wake-ups, failures, and its end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from monitord.daemon.loop import FAILED_SECONDS, Loop, LoopThread
from monitord.session.lease import HeldError
from monitord.system.clock import SystemClock
from tests.fakes.clock import FakeClock
from tests.fakes.log import events, recording_log


def counting(calls: list[str], name: str, pause: float = 60.0) -> Callable[[], float]:
    def step() -> float:
        calls.append(name)
        return pause

    return step


def test_parts_are_called_in_order_and_again_when_due() -> None:
    clock, calls = FakeClock(), list[str]()
    loop = Loop(clock, recording_log()[0])
    loop.add("a", counting(calls, "a", 10.0))
    loop.add("b", counting(calls, "b", 30.0))
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
    loop = Loop(clock, recording_log()[0], guard)
    for name in ("a", "b", "c"):
        loop.add(name, counting(calls, name))
    with pytest.raises(HeldError):
        loop.run()
    assert calls == ["a", "b"]


def test_wake_ups_coalesce_and_those_for_nobody_are_ignored() -> None:
    calls: list[str] = []
    loop = Loop(FakeClock(), recording_log()[0])
    loop.add("a", counting(calls, "a"))
    loop.add("b", counting(calls, "b"))
    loop.once(longest=0)
    for name in ("b", "b", "no such part", "b"):
        loop.wake(name)
    loop.once(longest=0)
    loop.once(longest=0)
    loop.once(longest=0)
    assert calls == ["a", "b", "b"]


def test_a_wake_up_during_the_call_leads_to_another() -> None:
    calls: list[str] = []
    loop = Loop(FakeClock(), recording_log()[0])

    def step() -> float:
        calls.append("a")
        if len(calls) < 3:
            loop.wake("a")
        return 60.0

    loop.add("a", step)
    for _ in range(5):
        loop.once(longest=0)
    assert len(calls) == 3


def test_a_part_that_fails_is_told_once_tried_again_and_disturbs_nobody() -> None:
    clock, calls = FakeClock(), list[str]()
    log, entries = recording_log()
    loop = Loop(clock, log)
    broken = True

    def failing() -> float:
        if broken:
            raise OSError(28, "No space left on device")
        calls.append("recovered")
        return 60.0

    loop.add("bad", failing)
    loop.add("good", counting(calls, "good", FAILED_SECONDS))
    for _ in range(3):
        loop.once(longest=0)
        clock.advance(FAILED_SECONDS)
    assert calls == ["good"] * 3
    assert events(entries) == ["part.failed"]
    assert loop.failure == "bad: OSError: [Errno 28] No space left on device"
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
    loop = Loop(FakeClock(), recording_log()[0])
    loop.add("a", counting(calls, "a", 0.0))
    loop.remove("a", "never there")
    loop.wake("a")
    loop.once(longest=0)
    assert calls == []


def test_a_signal_handler_ends_a_loop_that_waits() -> None:
    loop = Loop(SystemClock(), recording_log()[0])
    before = signal.signal(signal.SIGUSR1, lambda *_: loop.stop())
    killer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        killer.start()
        loop.add("idle", lambda: 3600.0)
        loop.run()
    finally:
        killer.join()
        signal.signal(signal.SIGUSR1, before)
    assert loop.stop_requests == 1


def test_every_request_to_stop_counts() -> None:
    loop = Loop(FakeClock(), recording_log()[0])
    loop.stop()
    loop.stop()
    loop.run()
    assert loop.stop_requests == 2


def test_a_task_is_done_between_two_parts_on_the_loops_own_thread() -> None:
    threads: list[int] = []
    loop = Loop(SystemClock(), recording_log()[0])
    work = LoopThread(
        loop, begin=lambda: threads.append(threading.get_ident()), finish=lambda: None, failed=lambda _: None
    )
    loop.call_soon(lambda: threads.append(threading.get_ident()))
    work.start()
    assert work.end(10.0)
    assert len(threads) == 2
    assert len({*threads, threading.get_ident()}) == 2


def test_what_part_is_being_called_is_known_to_who_watches() -> None:
    clock, seen = FakeClock(), list[tuple[str, float] | None]()

    def step() -> float:
        seen.append(loop.busy)
        return 60.0

    loop = Loop(clock, recording_log()[0])
    loop.add("targets", step)
    loop.once(longest=0.0)
    assert (seen, loop.busy) == ([("targets", clock.monotonic())], None)


def test_what_ends_a_thread_ends_the_other_loop_with_its_reason_and_is_finished() -> None:
    main, other = (Loop(SystemClock(), recording_log()[0]) for _ in range(2))
    done: list[str] = []

    def begin() -> None:
        raise HeldError("taken over")

    work = LoopThread(other, begin, lambda: done.append("finished"), main.fail)
    work.start()
    with pytest.raises(HeldError, match="taken over"):
        main.run()
    assert done == [], "not before the main loop has ended its part"
    assert work.end(10.0)
    assert done == ["finished"]


def test_a_thread_that_hangs_is_waited_for_no_longer_than_asked() -> None:
    may_go_on = threading.Event()

    def hang() -> None:
        may_go_on.wait(30.0)

    work = LoopThread(Loop(SystemClock(), recording_log()[0]), hang, lambda: None, lambda _: None)
    work.start()
    assert not work.end(0.05)
    may_go_on.set()
    assert work.end(10.0)


def test_one_that_was_never_started_has_ended() -> None:
    loop = Loop(SystemClock(), recording_log()[0])
    assert LoopThread(loop, lambda: None, lambda: None, lambda _: None).end(10.0)
