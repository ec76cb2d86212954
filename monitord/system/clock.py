"""The one place where the time of day is read."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where the shell gets its time from; the core is handed `now` instead."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines and back-off."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
