"""Stopping a daemon that is a process: here, elsewhere, or not there at all."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from monitord.client.stopping import stop
from monitord.errors import NotReadyError
from monitord.session.folder import Session
from monitord.session.lease import Holder, process_start


@pytest.fixture
def daemon(session: Session) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the session."""
    with subprocess.Popen(["sleep", "60"]) as process:
        hold(session, socket.gethostname(), process.pid)
        yield process
        process.kill()


def hold(session: Session, host: str, pid: int) -> None:
    holder = Holder(host, pid, process_start(pid) or 0, "now", "n")
    (session.lease / "0.json").write_text(json.dumps(asdict(holder)))


def test_without_a_daemon_there_is_nothing_to_stop(session: Session) -> None:
    assert stop(session, 1.0) is False


def test_a_daemon_here_is_terminated(session: Session, daemon: subprocess.Popen[bytes]) -> None:
    assert stop(session, 10.0) is True
    assert daemon.wait(10) == -15


def test_one_that_does_not_end_is_a_time_out(session: Session) -> None:
    script = "trap '' TERM; echo; while :; do sleep 0.05; done"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()  # the trap is set
        hold(session, socket.gethostname(), stubborn.pid)
        shown: list[str] = []
        with pytest.raises(NotReadyError, match=rf"the daemon \(pid {stubborn.pid}\) is still running"):
            stop(session, 0.3, shown.append)
        assert shown
        stubborn.kill()


def test_one_on_another_host_is_stopped_there(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    hold(session, "mel0001", 7)
    monkeypatch.setattr("monitord.client.stopping.has_daemon", lambda *_: True)
    with pytest.raises(NotReadyError, match="pid 7; stop it there: ssh mel0001 monitord stop"):
        stop(session, 1.0)
