"""A time in which the session folder did not answer (pure)."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Stall:
    """From when to when, in Unix seconds; `end` is None while it lasts."""

    start: float
    end: float | None

    def ended(self, now: float) -> Stall:
        """Return it as it is once it has ended."""
        return replace(self, end=now)

    def touches(self, start: float, end: float) -> bool:
        """Say whether any of the time from `start` to `end` falls into it."""
        return self.start < end and (self.end is None or self.end > start)
