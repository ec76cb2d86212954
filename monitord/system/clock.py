"""The one place where the time of day is read."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The source of time for modules with side effects; pure ones are passed `now`."""

    def now(self) -> float:
        """Seconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back, for deadlines and pauses."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()
