"""What a session is like, from the files its daemon publishes and the process that is, or is not, there."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from monitord.client.status import PATIENCE_SECONDS, daemon_status, is_ready, is_running, read_status
from monitord.session.folder import Session
from monitord.session.lease import Holder, process_start
from monitord.system.timestamps import to_iso

NOW = 1_700_000_000.0


@pytest.fixture
def session(tmp_path: Path) -> Session:
    session = Session(tmp_path, "s")
    session.create(b"session: s\n")
    return session


def daemon(
    session: Session, *, host: str | None = None, started: int = 0, age: float = 0.0, **more: Any
) -> None:
    """Publish a daemon of this process (`started` clock ticks off) or of another host."""
    here = host is None
    ticks = (process_start(os.getpid()) or 0) + started
    holder = Holder(socket.gethostname() if here else str(host), os.getpid(), ticks, "now", "n")
    (session.lease / "0.json").write_text(json.dumps(asdict(holder)))
    status = {"phase": "ready", "updated_at": to_iso(NOW - age), "allocation_ends_at": None, **more}
    session.daemon_status.write_text(json.dumps(status))


def test_before_a_daemon_first_ran(session: Session) -> None:
    found = read_status(session, NOW).as_json()
    assert found["daemon"] == {"running": False, "phase": "never started"}
    assert (found["prometheus"], found["targets"], found["windows"], found["time_left_seconds"]) == (
        None, [], [], None,
    )  # fmt: skip
    assert not is_ready(session, NOW)


def test_a_daemon_of_this_host_is_its_process_however_old_its_heartbeat(session: Session) -> None:
    daemon(session, age=10_000.0)
    assert is_ready(session, NOW)
    assert read_status(session, NOW).daemon["phase"] == "ready"


def test_a_daemon_of_this_host_that_publishes_nothing_is_said_to_be_silent(session: Session) -> None:
    daemon(session, age=0.0)
    assert "silent_since" not in read_status(session, NOW).daemon
    daemon(session, age=60.0)
    found = read_status(session, NOW).daemon
    assert (found["phase"], found["running"], found["silent_since"]) == ("ready", True, to_iso(NOW - 60.0))


def test_from_another_host_nobody_can_tell_an_end_from_a_folder_that_hangs(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitord.session.liveness.SILENCE_SECONDS", 0.0)
    daemon(session, host="elsewhere", age=300.0)
    found = read_status(session, NOW, pause=lambda _: None).daemon
    assert (found["phase"], found["running"], found["silent_since"]) == ("silent", False, to_iso(NOW - 300.0))


@pytest.mark.parametrize(
    ("phase", "shown"),
    [("ready", "dead"), ("starting", "dead"), ("stopped", "stopped"), ("failed", "failed")],
)
def test_a_daemon_that_ended_without_saying_so_is_dead(session: Session, phase: str, shown: str) -> None:
    daemon(session, started=-1, phase=phase)
    assert not is_running(session, NOW)
    assert read_status(session, NOW).daemon["phase"] == shown


def unexpected(_seconds: float) -> None:
    pytest.fail("watched a heartbeat that is of now")


@pytest.mark.parametrize("age", [0.0, PATIENCE_SECONDS - 1, 1 - PATIENCE_SECONDS])
def test_a_recent_heartbeat_of_another_host_is_believed(session: Session, age: float) -> None:
    daemon(session, host="mel0002", age=age)
    assert is_running(session, NOW, unexpected)


@pytest.mark.parametrize("age", [PATIENCE_SECONDS, 3600.0, -3600.0])
def test_one_that_another_clock_dates_off_is_watched(session: Session, age: float) -> None:
    daemon(session, host="mel0002", age=age)
    assert read_status(session, NOW, lambda _: daemon(session, host="mel0002", age=age - 5)).as_json()[
        "daemon"
    ]["running"]


def test_a_starting_daemon_is_not_ready(session: Session) -> None:
    daemon(session, phase="starting")
    assert is_running(session, NOW)
    assert not is_ready(session, NOW)


def test_time_left_is_never_negative(session: Session) -> None:
    daemon(session, allocation_ends_at=to_iso(NOW + 90))
    assert read_status(session, NOW).as_json()["time_left_seconds"] == pytest.approx(90.0)
    assert read_status(session, NOW + 900).as_json()["time_left_seconds"] == 0.0


def test_statuses_are_listed_and_what_is_none_is_left_out(session: Session) -> None:
    session.target_status("b.yaml").write_text('{"file": "b.yaml"}')
    session.target_status("a.yaml").write_text('{"file": "a.yaml"}')
    session.target_status("c.yaml").write_text("{")
    session.window_status("run.01").write_text('{"state": "open"}')
    found = read_status(session, NOW).as_json()
    assert [status["file"] for status in found["targets"]] == ["a.yaml", "b.yaml"]
    assert found["windows"] == [{"id": "run.01", "state": "open"}]
    session.daemon_status.write_text("[]")
    assert daemon_status(session) == {}
