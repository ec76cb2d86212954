"""Waiting with a clock and a display of the caller's."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from monitord.client.waiting import (
    POLL_SECONDS,
    REFUSAL_SECONDS,
    Progress,
    check_for,
    has_daemon,
    ready_check,
    refuse_deletion,
    target_check,
    wait_for,
    window_check,
)
from monitord.errors import InvalidInputError, NotReadyError, PrometheusError
from monitord.session.folder import Session
from monitord.session.lease import HeldError, Holder, process_start
from monitord.system.timestamps import to_iso
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def publish(session: Session, file: str = "c1.yaml", **status: Any) -> None:
    at = to_iso((session.targets / file).stat().st_mtime_ns / 1e9)
    published = {"state": "accepted", "errors": [], "endpoints": [], "modified_at": at, **status}
    session.target_status(file).write_text(json.dumps(published))


def run_here(session: Session, **status: Any) -> None:
    """Publish the status of a daemon that this process is."""
    holder = Holder(socket.gethostname(), os.getpid(), process_start(os.getpid()) or 0, "now", "n")
    (session.lease / "0.json").write_text(json.dumps(asdict(holder)))
    session.daemon_status.write_text(json.dumps({"phase": "ready", **status}))


def waited(clock: FakeClock, check: Callable[[], Progress], timeout: float = 5.0) -> list[str]:
    shown: list[str] = []
    wait_for(check, "it", timeout, shown.append, pause=clock.advance, monotonic=clock.monotonic)
    return shown


def test_it_is_asked_until_it_is_done(clock: FakeClock) -> None:
    answers = iter([Progress(False, "one"), Progress(False, "two"), Progress(True, "three")])
    assert waited(clock, lambda: next(answers)) == ["waiting for it: one", "waiting for it: two"]


def test_a_time_out_says_after_how_long_and_how_things_stood(clock: FakeClock) -> None:
    before = clock.monotonic()
    with pytest.raises(NotReadyError, match=r"^it: timed out after 5s: still so$"):
        waited(clock, lambda: Progress(False, "still so"))
    assert clock.monotonic() - before == pytest.approx(5.0)


def test_the_last_pause_ends_with_the_time_and_a_last_look_is_taken(clock: FakeClock) -> None:
    deadline = clock.monotonic() + 1.5 * POLL_SECONDS
    waited(clock, lambda: Progress(clock.monotonic() >= deadline, ""), 1.5 * POLL_SECONDS)


@pytest.mark.parametrize("goal", ["rain", "target=", "window=", "", "Ready"])
def test_any_other_goal_is_refused(session: Session, goal: str) -> None:
    with pytest.raises(ValueError, match="is none of ready, target=FILE, window=ID"):
        check_for(session, goal)


def test_a_goal_names_its_check(session: Session) -> None:
    assert check_for(session, "ready")().state == "the daemon has not started"
    assert "no such file" in check_for(session, "target=/any/where/c1.yaml")().state
    assert check_for(session, "window=r")().state == "not seen by the daemon yet"
    with pytest.raises(InvalidInputError, match="is not a valid window name"):
        check_for(session, "window=../r")


def test_a_daemon_is_ready_when_it_runs_and_says_so(session: Session) -> None:
    replayed = {"replayed_segments": {"done": 3, "all": 9}}
    run_here(session, phase="starting", prometheus=replayed, last_error="slow disk")
    state = "the daemon is starting (3 of 9 WAL segments replayed; slow disk)"
    assert ready_check(session)() == Progress(False, state)
    run_here(session)
    assert ready_check(session)().done
    (session.lease / "0.json").unlink()
    assert not ready_check(session)().done


def test_a_daemon_without_prometheus_is_not_waited_for(session: Session) -> None:
    run_here(session, phase="degraded", last_error="no binary")
    with pytest.raises(PrometheusError, match="no binary"):
        ready_check(session)()


def test_a_target_file_is_awaited_until_every_endpoint_is_up(session: Session) -> None:
    check = target_check(session, "c1.yaml")
    (session.targets / "c1.yaml").touch()
    assert check() == Progress(False, "not seen by the daemon yet")
    down = {"url": "http://h:1/metrics", "health": "down", "last_error": "connection refused"}
    publish(session, endpoints=[down, {**down, "health": "up"}])
    assert check() == Progress(False, "accepted; http://h:1/metrics down connection refused")
    publish(session, endpoints=[{**down, "health": "up"}])
    assert check() == Progress(True, "accepted")
    publish(session, modified_at="2026-01-01T00:00:00.000Z")
    assert check() == Progress(False, "not seen by the daemon yet")


def test_a_refusal_that_lasts_ends_the_wait(session: Session, clock: FakeClock) -> None:
    (session.targets / "c1.yaml").touch()
    problem = {"line": 1, "column": 2, "field": "a", "message": "is wrong"}
    publish(session, state="refused", errors=[problem])
    check = target_check(session, "c1.yaml", monotonic=clock.monotonic)
    assert check() == Progress(False, "refused: 1:2: a: is wrong")
    clock.advance(REFUSAL_SECONDS / 2)
    publish(session, state="refused", errors=[{**problem, "message": "is wrong otherwise"}])
    assert not check().done
    clock.advance(REFUSAL_SECONDS)
    with pytest.raises(InvalidInputError, match=r"c1.yaml was refused: 1:2: a: is wrong otherwise"):
        check()


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_window_that_can_no_longer_be_done_ends_the_wait(session: Session, state: str) -> None:
    session.window_status("r").write_text(json.dumps({"state": state, "reason": "because"}))
    with pytest.raises(InvalidInputError, match=f"window r {state}: because"):
        window_check(session, "r")()
    assert window_check(session, "r", lambda _: False)() == Progress(False, "not seen by the daemon yet")


def test_a_window_is_done_by_its_status(session: Session) -> None:
    session.window_status("r").write_text(json.dumps({"state": "settling", "reason": None}))
    assert window_check(session, "r")() == Progress(False, "settling")
    session.window_status("r").write_text(json.dumps({"state": "done", "reason": None}))
    assert window_check(session, "r")().done


def test_a_session_that_is_being_deleted_is_not_started(session: Session) -> None:
    refuse_deletion(session)
    holder = Holder("mel0001", 1, 1, "now", "n", deletes=True)
    (session.lease / "0.json").write_text(json.dumps(asdict(holder)))
    with pytest.raises(HeldError, match="is being deleted"):
        refuse_deletion(session)


def test_only_the_daemon_of_another_host_is_watched(session: Session) -> None:
    shown: list[str] = []
    run_here(session)
    assert has_daemon(session, shown.append)
    assert not shown
    (session.lease / "0.json").write_text(json.dumps(asdict(Holder("mel0001", 1, 1, "now", "n"))))
    beats = iter(range(9))

    def beat(_seconds: float) -> None:
        session.daemon_status.write_text(json.dumps({"phase": "ready", "beat": next(beats)}))

    assert has_daemon(session, shown.append, beat)
    assert shown == ["watching the heartbeat of a daemon on another host"]
