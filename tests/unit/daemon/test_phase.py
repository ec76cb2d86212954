"""The phases of a daemon's life."""

from __future__ import annotations

import pytest

from monitord.daemon.phase import Lifecycle, Phase


def watched() -> tuple[Lifecycle, list[Phase]]:
    lifecycle, seen = Lifecycle(), list[Phase]()
    lifecycle.observe(seen.append)
    return lifecycle, seen


def test_the_phases_are_those_that_users_rely_on() -> None:
    assert [str(phase) for phase in Phase] == [
        "starting", "ready", "degraded", "stopping", "stopped", "failed"
    ]  # fmt: skip


def test_observers_are_called_once_for_each_change() -> None:
    lifecycle, seen = watched()
    for phase in (Phase.STARTING, Phase.READY, Phase.READY, Phase.DEGRADED):
        lifecycle.follow(phase)
    assert seen == [Phase.READY, Phase.DEGRADED]


@pytest.mark.parametrize("end", [Phase.STOPPING, Phase.STOPPED, Phase.FAILED])
def test_a_daemon_that_ends_does_not_become_ready_again(end: Phase) -> None:
    lifecycle, seen = watched()
    lifecycle.enter(end)
    lifecycle.follow(Phase.READY)
    assert (lifecycle.phase, seen) == (end, [end])


def test_a_failure_has_its_reason() -> None:
    lifecycle, seen = watched()
    lifecycle.fail(OSError("no space"))
    assert (lifecycle.phase, lifecycle.error, seen) == (Phase.FAILED, "no space", [Phase.FAILED])
