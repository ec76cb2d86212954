"""A session's window, and the parts of it that are measured with it: tiles for extremes, steps for plots.

Minima and maxima of counters need rates over parts of the window. The window is cut into equal tiles, so that
every part of it counts once. A tile holds so many scrapes that a steady rate in it is known to a tenth. Steps
are shorter, and their values carry no bounds.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_PARTS = 120  # enough to see the extremes of a window, and for a plot
MAX_TARGET_PARTS = 3_600  # with many targets there are fewer parts: each of them has a value for each
FEWEST_PARTS = 20
SCRAPES_PER_TILE = 25  # so many that a steady rate is known to a tenth
SCRAPES_PER_STEP = 4
SOUGHT_BEFORE_INTERVALS = 3  # how far beyond the window to look for a sample: some scrapes may be missing
TIMESTAMP_TOLERANCE = 0.003
"""Prometheus moves a scrape's time by up to 2 ms onto its schedule, and cuts it to whole milliseconds."""

Edges = tuple[float, float]


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
    """A session's window, in whole milliseconds.

    `interval` is the longest scrape interval, in seconds, among the targets. `left_open` means that the
    server excludes a sample at the very start of a range. `most_parts` is the maximum number of tiles, and
    of steps. `native` means that the server may have native histograms. `skew` (seconds) is how far the
    clock of the window's markers may differ from that of the scrapes."""

    session: str
    start: float
    end: float
    interval: float
    left_open: bool = False
    most_parts: int = MAX_PARTS
    native: bool = False
    skew: float = 0.0

    @property
    def end_ms(self) -> int:
        return round(self.end * 1000)

    @property
    def start_ms(self) -> int:
        return self.end_ms - self.length_ms

    @property
    def length_ms(self) -> int:
        return max(1, self.end_ms - round(self.start * 1000))

    @property
    def seconds(self) -> float:
        return self.length_ms / 1000

    @property
    def margin_ms(self) -> int:
        """How far beyond each edge samples are read."""
        return round((SOUGHT_BEFORE_INTERVALS * self.interval + self.skew) * 1000)

    @property
    def earliest(self) -> float:
        """From when on samples are read, in Unix seconds: a little before the window."""
        return (self.start_ms - self.margin_ms) / 1000

    @property
    def latest(self) -> float:
        """Up to when samples are read, in Unix seconds: a little after the window."""
        return (self.end_ms + self.margin_ms) / 1000

    @property
    def tiles(self) -> int:
        """Into how many tiles the window is cut; 1 when it is too short for two."""
        return self._parts(SCRAPES_PER_TILE)

    @property
    def steps(self) -> int:
        """Into how many steps the window is cut."""
        return self._parts(SCRAPES_PER_STEP)

    def edges(self) -> list[Edges]:
        """Return the edges of the window, of its tiles and of its steps, in this order."""
        return [(self.start_ms / 1000, self.end_ms / 1000), *self._cut(self.tiles), *self._cut(self.steps)]

    def step_ends(self) -> list[float]:
        """Return the end of each step, in Unix seconds; the last one ends with the window."""
        return [end for _, end in self._cut(self.steps)]

    @property
    def whole(self) -> str:
        """The range selector of the window, a sample at either edge included."""
        return self.selector(self.length_ms)

    @property
    def step(self) -> str:
        """The range selector of a step, likewise."""
        return self.selector(self.step_ms)

    @property
    def step_ms(self) -> int:
        return self.length_ms // self.steps

    def selector(self, milliseconds: int) -> str:
        """Return the range selector of a length that includes a sample at either of its edges."""
        # Samples have whole milliseconds: one more takes in those at the start, and no other.
        return f"[{milliseconds + self.left_open}ms]"

    def at_end(self, promql: str) -> InstantQuery:
        return InstantQuery(promql, self.end_ms / 1000)

    @property
    def around(self) -> str:
        """The range selector from `earliest` to `latest`, for a query evaluated at `latest`."""
        return self.selector(self.length_ms + 2 * self.margin_ms)

    def at_latest(self, promql: str) -> InstantQuery:
        return InstantQuery(promql, self.latest)

    def read(self, promql: str) -> InstantQuery:
        """Return the query for all samples of a selector, from `earliest` to `latest`."""
        return self.at_latest(f"{promql}{self.around}")

    def over_steps(self, promql: str) -> RangeQuery:
        """Evaluate at the end of every step; the last one ends with the window."""
        first = self.end_ms - (self.steps - 1) * self.step_ms
        return RangeQuery(promql, first / 1000, self.end_ms / 1000, self.step_ms / 1000)

    def _parts(self, scrapes: int) -> int:
        shortest = max(1, round(scrapes * self.interval * 1000))
        return max(1, min(self.most_parts, self.length_ms // shortest))

    def _cut(self, parts: int) -> list[Edges]:
        # What does not divide falls to the first part, so that range queries have the same steps.
        length = self.length_ms // parts
        ends = [(self.end_ms - (parts - 1 - part) * length) / 1000 for part in range(parts)]
        return list(zip([self.start_ms / 1000, *ends[:-1]], ends, strict=True))


def most_parts(targets: int) -> int:
    """Return the maximum number of tiles, and of steps, for a window with so many targets."""
    return max(FEWEST_PARTS, min(MAX_PARTS, MAX_TARGET_PARTS // max(1, targets)))
