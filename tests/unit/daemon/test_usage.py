"""What processes use, by the kernel's word."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

from monitord.daemon.usage import UsageLog, read_usage
from tests.fakes.clock import FakeClock


def test_ones_own_usage_grows_with_work() -> None:
    before = read_usage(os.getpid())
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    after = read_usage(os.getpid())
    assert before is not None
    assert after is not None
    assert after.run == before.run
    assert after.cpu_seconds >= before.cpu_seconds + 0.03
    assert after.resident_bytes > 1_000_000


def test_a_process_that_is_not_there_has_none() -> None:
    assert read_usage(2**22 + 1) is None


def test_what_was_noted_comes_with_how_it_is_now() -> None:
    clock = FakeClock()
    log = UsageLog(clock, SimpleNamespace(pid=None), SimpleNamespace(pid=os.getpid()))
    log.note()
    clock.advance(5.0)
    first, now = log.until_now()
    assert (now.at - first.at, now.prometheus) == (5.0, None)
    assert now.daemon is not None
    assert now.collector is not None
