"""What systemd is told, on a socket such as its own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from monitord.daemon.service_notify import ALIVE, READY, ServiceNotify


@pytest.mark.parametrize("abstract", [False, True])
def test_each_telling_is_one_datagram(tmp_path: Path, abstract: bool) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0{path}" if abstract else path)
        service = ServiceNotify.of({"NOTIFY_SOCKET": f"@{path}" if abstract else path})
        service.tell(READY)
        service.tell_status("it failed:\nREADY=1\n", ALIVE)
        systemd.settimeout(5)
        told = [systemd.recv(1000) for _ in range(2)]
    assert told == [b"READY=1", b"WATCHDOG=1\nSTATUS=it failed: READY=1"]


def test_nobody_need_listen(tmp_path: Path) -> None:
    ServiceNotify.of({}).tell(READY)
    ServiceNotify(str(tmp_path / "nowhere")).tell(READY)
    ServiceNotify(f"@{tmp_path / 'nowhere'}").tell(READY)


def test_one_who_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        for _ in range(1000):
            ServiceNotify(path).tell(ALIVE)
        assert systemd.recv(100, socket.MSG_DONTWAIT) == b"WATCHDOG=1"
