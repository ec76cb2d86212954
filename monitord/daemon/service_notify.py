"""Notifying systemd of the daemon's state: sd_notify(3), a datagram of lines to $NOTIFY_SOCKET."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from monitord.daemon.phase import Phase

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"

_NOTIFICATIONS = {Phase.READY: READY, Phase.STOPPING: STOPPING}


@dataclass(frozen=True, slots=True)
class ServiceNotify:
    """Where systemd listens; empty where it did not start the daemon, and nothing is sent."""

    address: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ServiceNotify:
        return cls(environment.get("NOTIFY_SOCKET", ""))

    def notify(self, *lines: str) -> None:
        """Send lines. A receiver that is gone or slow neither fails nor delays the daemon."""
        if not self.address:
            return
        name = self.address.replace("@", "\0", 1) if self.address.startswith("@") else self.address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sender:
            sender.sendto("\n".join(lines).encode(errors="replace"), name)

    def report_phase(self, phase: Phase) -> None:
        """Notify systemd of the phases that it knows."""
        if phase in _NOTIFICATIONS:
            self.notify(_NOTIFICATIONS[phase])

    def report_status(self, text: str, *lines: str) -> None:
        """Send the line that `systemctl status` shows."""
        self.notify(*lines, f"STATUS={' '.join(text.split())}")


def reloading() -> str:
    """Return the notification that begins a reload, with the time; READY ends it."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
