"""Whether a session's daemon lives, seen from any host.

On its own host the kernel says so. From another one only a heartbeat that changes while it is watched shows
a living daemon: the age of a heartbeat compares the clocks of two machines.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from monitord.session.folder import Session
from monitord.session.lease import HEARTBEAT_SECONDS, daemon_holder, is_alive

SILENCE_SECONDS = 2 * HEARTBEAT_SECONDS + 1
"""How long a heartbeat is watched, for commands that take nothing over."""

_PAUSE_SECONDS = 0.5

Beat = tuple[int, bytes]


def heartbeat_of(session: Session) -> Beat | None:
    """Return something that a living daemon changes every HEARTBEAT_SECONDS; None where there is nothing.

    The file's time as well: on a full disk it is all that a daemon can change. It is opened, not just looked
    at, because NFS asks the server only then.
    """
    try:
        with session.daemon_status.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns, file.read()
    except OSError:
        return None


@dataclass(slots=True)
class Watch:
    """Looks at a session's daemon, as many as it takes to know whether it lives."""

    session: Session
    monotonic: Callable[[], float] = time.monotonic
    _beat: Beat | None = None
    _since: float | None = None
    _is_beating: bool = False

    def look(self) -> bool | None:
        """Say whether a daemon runs the session; None while that is not known."""
        alive = is_alive(daemon_holder(self.session.lease))
        return self._beats(heartbeat_of(self.session), self.monotonic()) if alive is None else alive

    def until_known(self, pause: Callable[[float], None] = time.sleep) -> bool:
        """Look until it is known."""
        while (found := self.look()) is None:
            pause(_PAUSE_SECONDS)
        return found

    def _beats(self, beat: Beat | None, now: float) -> bool | None:
        if self._since is None or beat != self._beat:
            self._is_beating = self._since is not None
            self._beat, self._since = beat, now
        if now - self._since >= SILENCE_SECONDS:
            self._is_beating = False
            return False
        return self._is_beating or None
