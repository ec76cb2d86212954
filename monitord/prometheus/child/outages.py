"""When Prometheus was not there, or could not keep what it scraped (pure).

An outage lasts from when all was last seen well, before it was not, until all was well again: the
truth lies inside. Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from monitord.system.timestamps import from_iso, to_iso

KEPT = 1000
"""How many outages are remembered, the latest ones."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without data; `end` is None while it lasts."""

    start: float
    end: float | None
    reason: str

    def touches(self, start: float, end: float) -> bool:
        """Say whether any of the time from `start` to `end` falls into it."""
        return self.start < end and (self.end is None or self.end > start)


@dataclass(frozen=True, slots=True)
class Outages:
    """All outages of a session, oldest first; `last_well` is None before all was well once."""

    last_well: float | None = None
    past: tuple[Outage, ...] = ()
    current: Outage | None = None

    def well(self, now: float) -> Outages:
        """Return them after all was seen well: what lasted has ended."""
        ended = (replace(self.current, end=now),) if self.current else ()
        return Outages(now, (*self.past, *ended)[-KEPT:], None)

    def unwell(self, reason: str) -> Outages:
        """Return them after something was seen amiss; the first reason stands."""
        if self.current or self.last_well is None:
            return self
        return replace(self, current=Outage(self.last_well, None, reason))

    def touching(self, start: float, end: float) -> tuple[Outage, ...]:
        """Return the outages that a window touched."""
        every = (*self.past, *((self.current,) if self.current else ()))
        return tuple(outage for outage in every if outage.touches(start, end))


def outages_json(outages: Outages) -> dict[str, Any]:
    """Return them as they are published; `last_well` is in the daemon's heartbeat, and not here."""
    every = (*outages.past, *((outages.current,) if outages.current else ()))
    return {"outages": [outage_json(outage) for outage in every]}


def outage_json(outage: Outage) -> dict[str, Any]:
    """Return one outage as it is published."""
    end = None if outage.end is None else to_iso(outage.end)
    return {"from": to_iso(outage.start), "to": end, "reason": outage.reason}


def restore(published: Any, last_well: str | None) -> Outages:
    """Return what an earlier daemon knew: its published outages, and when all was last well.

    What cannot be read is left out. An outage that had no end goes on; without one, that no daemon
    ran is the outage.
    """
    items = published.get("outages") if isinstance(published, Mapping) else None
    known = tuple(_readable(items if isinstance(items, list) else ()))
    current = known[-1] if known and known[-1].end is None else None
    past = tuple(outage for outage in known if outage.end is not None)
    restored = Outages(None if last_well is None else from_iso(last_well), past, current)
    return restored.unwell("daemon_not_running")


def _readable(items: Iterable[Any]) -> Iterable[Outage]:
    for item in items:
        try:
            end = item["to"]
            yield Outage(from_iso(item["from"]), None if end is None else from_iso(end), str(item["reason"]))
        except (KeyError, TypeError, ValueError):
            continue
