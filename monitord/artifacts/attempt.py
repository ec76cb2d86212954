"""One attempt at making a window's artifacts, which may be abandoned until they appear."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from monitord.errors import MonitordError


class AbandonedError(MonitordError):
    """The artifacts are not wanted any more: their window was withdrawn while they were made."""


class Attempt:
    """The state shared by the caller that asks for artifacts and the thread that makes them.

    `token` is unique among all attempts, also those of other daemons. Exactly one of two things
    happens: it is abandoned, and its artifacts never appear; or they may appear, and it is too late to
    abandon it.
    """

    def __init__(self) -> None:
        self.token = os.urandom(6).hex()
        self._lock = threading.Lock()
        self._may_appear = False
        self._is_abandoned = False

    def abandon(self) -> bool:
        """Prevent its artifacts from appearing; return False if they may already have appeared."""
        with self._lock:
            self._is_abandoned = self._is_abandoned or not self._may_appear
            return self._is_abandoned

    def check(self) -> None:
        """Raise AbandonedError when it was abandoned."""
        if self._is_abandoned:
            raise AbandonedError("the window was withdrawn while it was collected")

    def claim(self, confirm: Callable[[], None]) -> None:
        """Make it too late to abandon it, right before its artifacts appear. Raises AbandonedError.

        `confirm` may refuse as well, by raising; it can still be abandoned then.
        """
        confirm()
        with self._lock:
            self.check()
            self._may_appear = True
