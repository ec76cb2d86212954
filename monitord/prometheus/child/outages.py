"""The times in which Prometheus did not run, or could not store what it scraped (pure).

An outage lasts from the last time that all was observed to be well until it was so again: the real gap lies
inside these bounds. Times are Unix seconds.
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
        """Return whether it overlaps the time from `start` to `end`."""
        return self.start < end and (self.end is None or self.end > start)


@dataclass(frozen=True, slots=True)
class Outages:
    """All outages of a session, oldest first; `last_well` is None before all was well once."""

    last_well: float | None = None
    past: tuple[Outage, ...] = ()
    current: Outage | None = None

    def well(self, now: float) -> Outages:
        """Return the outages after all was observed to be well, which ends the current one."""
        ended = (replace(self.current, end=now),) if self.current else ()
        return Outages(now, (*self.past, *ended)[-KEPT:], None)

    def unwell(self, reason: str) -> Outages:
        """Return the outages after something was observed to be wrong; the first reason stays."""
        if self.current or self.last_well is None:
            return self
        return replace(self, current=Outage(self.last_well, None, reason))

    def touching(self, start: float, end: float) -> tuple[Outage, ...]:
        """Return the outages that overlap a window."""
        every = (*self.past, *((self.current,) if self.current else ()))
        return tuple(outage for outage in every if outage.touches(start, end))


def outages_json(outages: Outages) -> dict[str, Any]:
    """Return the outages as they are published; `last_well` is part of the heartbeat instead."""
    every = (*outages.past, *((outages.current,) if outages.current else ()))
    return {"outages": [outage_json(outage) for outage in every]}


def outage_json(outage: Outage) -> dict[str, Any]:
    """Return one outage as it is published."""
    end = None if outage.end is None else to_iso(outage.end)
    return {"from": to_iso(outage.start), "to": end, "reason": outage.reason}


def restore(published: Any, last_well: str | None) -> Outages:
    """Return what an earlier daemon knew: its published outages, and when all was last well.

    Unreadable entries are left out. An outage without an end goes on; otherwise the time without a daemon is
    one.
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
