"""Notifications to systemd, on a socket such as its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from monitord.daemon.phase import Phase
from monitord.daemon.service_notify import ALIVE, READY, ServiceNotify


@pytest.mark.parametrize("abstract", [False, True])
def test_each_notification_is_one_datagram(tmp_path: Path, abstract: bool) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{path}" if abstract else path)
        service = ServiceNotify.of({"NOTIFY_SOCKET": f"@{path}" if abstract else path})
        service.notify(READY)
        service.report_status("it failed:\nREADY=1\n", ALIVE)
        systemd.settimeout(5)
        received = [systemd.recv(1000) for _ in range(2)]
    assert received == [b"READY=1", b"WATCHDOG=1\nSTATUS=it failed: READY=1"]


def test_a_missing_receiver_is_no_error(tmp_path: Path) -> None:
    ServiceNotify.of({}).notify(READY)
    ServiceNotify(str(tmp_path / "nowhere")).notify(READY)
    ServiceNotify(f"@{tmp_path / 'nowhere'}").notify(READY)


def test_a_receiver_that_does_not_read_delays_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        for _ in range(1000):
            ServiceNotify(path).notify(ALIVE)
        assert systemd.recv(100, socket.MSG_DONTWAIT) == b"WATCHDOG=1"


def test_systemd_is_notified_of_the_phases_that_it_knows(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        for phase in Phase:
            ServiceNotify(path).report_phase(phase)
        systemd.setblocking(False)
        assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"STOPPING=1"]
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
