"""Lines of Prometheus's log that repeat: written once, then counted (pure).

With a thousand targets that each repeat a sample it writes 1,000 lines a scrape, 4 GB a day. A line is the
same as another when they differ in their time alone. What is no logfmt, as a stack trace, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

PERIOD_SECONDS = 600.0
"""A line that goes on repeating is written so often, with how many there were."""

MOST_LINES = 10_000

_TIME = re.compile(r"(ts|time)=\S+ ")


@dataclass(slots=True)
class _Repeated:
    since: float
    last: str
    times: int = 0


@dataclass(slots=True)
class Repeats:
    """The lines of the last PERIOD_SECONDS, MOST_LINES at most, and how often each was repeated."""

    _seen: dict[str, _Repeated] = field(default_factory=dict)

    def take(self, line: str, now: float) -> Iterator[str]:
        """Yield what to write now that this line has come; `now` is in seconds that never go back."""
        yield from self._due(now - PERIOD_SECONDS)
        time = _TIME.match(line)
        if time is None:
            yield line
            return
        key = line[time.end() :]
        known = self._seen.get(key)
        if known is not None:
            known.times, known.last = known.times + 1, line
            return
        if len(self._seen) < MOST_LINES:
            self._seen[key] = _Repeated(now, line)
        yield line

    def end(self) -> Iterator[str]:
        """Yield what was counted and not written yet."""
        yield from self._due(float("inf"))

    def _due(self, before: float) -> Iterator[str]:
        """Yield the lines first seen until then that were repeated, and forget all of these."""
        while self._seen:
            key, oldest = next(iter(self._seen.items()))
            if oldest.since > before:
                return
            del self._seen[key]
            if oldest.times:
                yield f"{oldest.last} repeated={oldest.times}"
