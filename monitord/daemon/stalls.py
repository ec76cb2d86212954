"""Detecting that the session folder hangs: its file system then fails no call, it answers none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from structlog.typing import FilteringBoundLogger

from monitord.collect.stall import Stall
from monitord.system.clock import Clock
from monitord.system.timestamps import to_iso

STALLED_SECONDS = 10.0
"""A part of the loop that takes longer than this is taken to wait for the file system."""

LOOK_SECONDS = 1.0
KEPT = 100


class WatchedLoop(Protocol):
    """The loop that may stand still."""

    @property
    def busy(self) -> tuple[str, float] | None:
        """Which part is being called now, and since when (monotonic seconds)."""


@dataclass(slots=True)
class StallWatch:
    """Watches the loop that works on the session folder, from the main loop."""

    loop: WatchedLoop
    clock: Clock
    log: FilteringBoundLogger
    known: tuple[Stall, ...] = field(default=())
    _since: float | None = None

    @property
    def last(self) -> Stall | None:
        return self.known[-1] if self.known else None

    @property
    def text(self) -> str:
        """A description of the stall that lasts; empty without one."""
        if self._since is None or self.last is None:
            return ""
        return f"the session folder has not answered since {to_iso(self.last.start)}"

    def touching(self, start: float, end: float) -> tuple[Stall, ...]:
        """Return the stalls that overlap a time, in Unix seconds. Any thread may call this."""
        return tuple(stall for stall in self.known if stall.touches(start, end))

    def step(self) -> float:
        """Check the loop; return in how many seconds to check again."""
        busy = self.loop.busy
        if self._since is not None and (busy is None or busy[1] != self._since):
            self._end()
        if self._since is None and busy is not None:
            part, since = busy
            if self.clock.monotonic() - since >= STALLED_SECONDS:
                self._begin(part, since)
        return LOOK_SECONDS

    def _begin(self, part: str, since: float) -> None:
        start = self.clock.now() - (self.clock.monotonic() - since)
        self._since = since
        self.known = (*self.known, Stall(start, None))[-KEPT:]
        self.log.error(
            "session_folder.stalled", part=part, since=to_iso(start),
            consequence="Prometheus goes on; dropped files are read when the folder answers again",
        )  # fmt: skip

    def _end(self) -> None:
        self._since = None
        before, now = self.known[-1], self.clock.now()
        self.known = (*self.known[:-1], before.ended(now))
        self.log.warning(
            "session_folder.resumed", since=to_iso(before.start), seconds=round(now - before.start, 1)
        )


def stall_json(stall: Stall) -> dict[str, Any]:
    """Return one stall as it is published."""
    return {"from": to_iso(stall.start), "to": None if stall.end is None else to_iso(stall.end)}
