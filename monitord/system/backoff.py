"""How long to wait before the next try: a first pause, doubled with each failure, up to the longest. Pure."""

from __future__ import annotations

from dataclasses import dataclass

_MOST_DOUBLINGS = 64  # beyond, the pause is the longest anyhow; and 2.0 to the power of thousands is no float


@dataclass(frozen=True, slots=True)
class Backoff:
    """The first pause and the longest, in seconds."""

    first: float
    longest: float

    def seconds(self, failures: int, jitter: float = 0.0) -> float:
        """Return the pause after so many failures in a row; none after none.

        `jitter`, random in [0, 1), lengthens it by up to that share. A pause is never shorter than the one
        before it.
        """
        if failures <= 0:
            return 0.0
        pause = self.first * 2.0 ** min(failures - 1, _MOST_DOUBLINGS)
        return min(pause * (1.0 + jitter), self.longest)
