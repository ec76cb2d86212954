"""A clock that stands still until a test moves it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FakeClock:
    """Starts at `wall` Unix seconds; the monotonic clock has an origin of its own."""

    wall: float = 1_700_000_000.0
    elapsed: float = 0.0

    def now(self) -> float:
        return self.wall + self.elapsed

    def monotonic(self) -> float:
        return 100.0 + self.elapsed

    def advance(self, seconds: float) -> None:
        self.elapsed += seconds
