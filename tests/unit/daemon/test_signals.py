"""Signals as calls."""

from __future__ import annotations

import os
import signal

from monitord.daemon.signals import REPEATED_SECONDS, Debounced, handled
from tests.conftest import wait_until
from tests.fakes.clock import FakeClock


def test_a_signal_calls_its_action_and_what_was_there_is_put_back() -> None:
    got: list[int] = []
    before = signal.getsignal(signal.SIGUSR2)
    with handled({signal.SIGUSR2: lambda: got.append(1)}):
        os.kill(os.getpid(), signal.SIGUSR2)
        wait_until(lambda: got == [1], "the signal")
    assert signal.getsignal(signal.SIGUSR2) == before


def test_what_comes_twice_at_once_is_one_and_later_it_is_another() -> None:
    clock, calls = FakeClock(), []
    act = Debounced(lambda: calls.append(1), clock.monotonic)
    act()
    clock.advance(REPEATED_SECONDS - 0.1)
    act()
    assert len(calls) == 1
    clock.advance(REPEATED_SECONDS)
    act()
    assert len(calls) == 2
