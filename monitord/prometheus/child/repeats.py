"""Repeated lines of Prometheus's log: written once, then counted (pure).

With a thousand targets that each repeat a sample, Prometheus writes 1,000 lines per scrape, 4 GB a day. Two
lines are the same if they differ only in their time. Lines that are not logfmt, such as stack traces, are
kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

PERIOD_SECONDS = 600.0
"""How often a line that is repeated is written, with the number of repetitions."""

MOST_LINES = 10_000

_TIME = re.compile(r"(ts|time)=\S+ ")


@dataclass(slots=True)
class _Repeated:
    since: float
    last: str
    times: int = 0


@dataclass(slots=True)
class Repeats:
    """The lines of the last PERIOD_SECONDS, at most MOST_LINES, with the number of their repetitions."""

    _seen: dict[str, _Repeated] = field(default_factory=dict)

    def take(self, line: str, now: float) -> Iterator[str]:
        """Yield the lines to write after this one was read; `now` is monotonic."""
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
        """Yield the counts that are not written yet."""
        yield from self._due(float("inf"))

    def _due(self, before: float) -> Iterator[str]:
        """Yield the repeated lines that were first read before then, and forget all from before then."""
        while self._seen:
            key, oldest = next(iter(self._seen.items()))
            if oldest.since > before:
                return
            del self._seen[key]
            if oldest.times:
                yield f"{oldest.last} repeated={oldest.times}"
