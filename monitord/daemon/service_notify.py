"""Telling systemd how the daemon is: sd_notify(3), a datagram of lines to $NOTIFY_SOCKET."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


@dataclass(frozen=True, slots=True)
class ServiceNotify:
    """Where systemd listens; empty where the daemon was not started by it, and nothing is told."""

    address: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> ServiceNotify:
        return cls(environment.get("NOTIFY_SOCKET", ""))

    def tell(self, *lines: str) -> None:
        """Say something. One who does not listen, or not in time, is no reason to stop or to wait."""
        if not self.address:
            return
        name = self.address.replace("@", "\0", 1) if self.address.startswith("@") else self.address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        with suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sender:
            sender.sendto("\n".join(lines).encode(errors="replace"), name)

    def tell_status(self, text: str, *lines: str) -> None:
        """Say in one line what `systemctl status` is to show."""
        self.tell(*lines, f"STATUS={' '.join(text.split())}")


def reloading() -> str:
    """Return what is said before a reload; READY ends it. systemd wants to know since when."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
