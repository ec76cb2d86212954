"""Finding out whether a session's daemon is alive, from any host.

On the daemon's host the kernel knows. From another host only a heartbeat that changes while it is watched
shows that the daemon is alive: the age of a heartbeat would compare the clocks of two machines.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from monitord.session.folder import Session
from monitord.session.lease import HEARTBEAT_SECONDS, daemon_holder, is_alive

SILENCE_SECONDS = 2 * HEARTBEAT_SECONDS + 1
"""How long commands that do not take the session over watch a heartbeat."""

_PAUSE_SECONDS = 0.5

Beat = tuple[int, bytes]


def heartbeat_of(session: Session) -> Beat | None:
    """Return something that a living daemon changes every HEARTBEAT_SECONDS; None where there is nothing.

    The file's time counts too: on a full disk a daemon can change nothing else. The file is opened because
    NFS asks the server only then.
    """
    try:
        with session.daemon_status.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns, file.read()
    except OSError:
        return None


@dataclass(slots=True)
class Watch:
    """Watches a session's daemon until it is known whether it is alive."""

    session: Session
    monotonic: Callable[[], float] = time.monotonic
    _beat: Beat | None = None
    _since: float | None = None
    _is_beating: bool = False

    def look(self) -> bool | None:
        """Return whether a daemon runs the session; None while that is not known."""
        alive = is_alive(daemon_holder(self.session.lease))
        return self._beats(heartbeat_of(self.session), self.monotonic()) if alive is None else alive

    def until_known(self, pause: Callable[[float], None] = time.sleep) -> bool:
        """Look again until it is known whether a daemon runs the session."""
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
