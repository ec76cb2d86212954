"""A time in which the session folder did not answer (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Stall:
    """From when to when, in Unix seconds; `end` is None while it lasts."""

    start: float
    end: float | None

    def ended(self, now: float) -> Stall:
        """Return a copy that has ended."""
        return replace(self, end=now)

    def touches(self, start: float, end: float) -> bool:
        """Return whether it overlaps the time from `start` to `end`."""
        return self.start < end and (self.end is None or self.end > start)
