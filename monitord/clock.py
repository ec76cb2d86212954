"""The one place where the time of day is read, and how it is written."""

from __future__ import annotations

import time
from datetime import UTC, datetime
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


def to_iso(seconds: float) -> str:
    """Write Unix seconds as UTC with milliseconds: `2026-01-31T09:30:00.000Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> float:
    """Read ISO 8601 with a zone, or Unix seconds, as Unix seconds.

    Raises ValueError when the text is neither, or names no zone: a local time would mean another
    instant on every node.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a time; write ISO 8601 with a zone (2026-01-31T09:30:00Z) or Unix seconds"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone; add Z for UTC, or an offset such as +01:00")
    return moment.timestamp()
