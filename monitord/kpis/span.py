"""A session's window as queries see it, and the two kinds of query that can be asked about it.

Minima and maxima of counters need rates over parts of the window. The window is cut into equal
tiles, so that every part of it counts once and none reads data from before its start.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_TILES = 120  # enough to see the extremes of a window, and far from Prometheus's 11,000 points
SCRAPES_PER_TILE = 4  # rate() needs two samples; four still hold two when a scrape is late and one is lost
BORN_AFTER_INTERVALS = 1.1  # up to here from its start, Prometheus extrapolates to the start of a range
SOUGHT_BEFORE_INTERVALS = (
    3  # how far before the window to look for a series of which some scrapes are missing
)


@dataclass(frozen=True, slots=True)
class InstantQuery:
    """A query evaluated at one time, in Unix seconds."""

    promql: str
    at: float


@dataclass(frozen=True, slots=True)
class RangeQuery:
    """A query evaluated at `start`, `start + step`, … up to `end`, in Unix seconds and seconds."""

    promql: str
    start: float
    end: float
    step: float


Query = InstantQuery | RangeQuery


@dataclass(frozen=True, slots=True)
class Span:
    """A session's window as queries see it, in whole milliseconds.

    `interval` is the longest scrape interval, in seconds, among the targets. `left_open` means
    that the server excludes a sample at the very start of a range. `most_tiles` is the maximum number of
    tiles. `native` means that the server may have native histograms.
    """

    session: str
    start: float
    end: float
    interval: float
    left_open: bool = False
    most_tiles: int = MAX_TILES
    native: bool = False

    @property
    def end_ms(self) -> int:
        return round(self.end * 1000)

    @property
    def length_ms(self) -> int:
        return max(1, self.end_ms - round(self.start * 1000))

    @property
    def seconds(self) -> float:
        return self.length_ms / 1000

    @property
    def earliest(self) -> float:
        """From when on queries read data, in Unix seconds: a little before the window."""
        return (self.end_ms - self.length_ms) / 1000 - SOUGHT_BEFORE_INTERVALS * self.interval

    @property
    def tiles(self) -> int:
        """Into how many tiles the window is cut; 1 when it is too short for two."""
        shortest = max(1, round(SCRAPES_PER_TILE * self.interval * 1000))
        return max(1, min(self.most_tiles, self.length_ms // shortest))

    @property
    def tile_ms(self) -> int:
        return self.length_ms // self.tiles

    @property
    def whole(self) -> str:
        """The range selector of the window, a sample at either edge included."""
        return self._selector(self.length_ms)

    @property
    def tile(self) -> str:
        """The range selector of a tile, likewise."""
        return self._selector(self.tile_ms)

    @property
    def around_start(self) -> str:
        """The range selector of what surrounds the window's start.

        A series without a sample in it, and with one later, was born in the window.
        """
        interval_ms = self.interval * 1000
        after = min(round(BORN_AFTER_INTERVALS * interval_ms), self.length_ms - 1)
        length = after + round(SOUGHT_BEFORE_INTERVALS * interval_ms)
        return f"{self._selector(max(1, length))} offset {max(1, self.length_ms - after)}ms"

    def _selector(self, milliseconds: int) -> str:
        # Samples have whole milliseconds: one more takes in those at the start, and no other.
        return f"[{milliseconds + self.left_open}ms]"

    def at_end(self, promql: str) -> InstantQuery:
        return InstantQuery(promql, self.end_ms / 1000)

    def over_tiles(self, promql: str) -> RangeQuery:
        """Evaluate at the end of every tile; the last one ends with the window."""
        first = self.end_ms - (self.tiles - 1) * self.tile_ms
        return RangeQuery(promql, first / 1000, self.end_ms / 1000, self.tile_ms / 1000)
