"""The outages of a session's Prometheus, and the content of `status/outages.json`."""

from __future__ import annotations

from dataclasses import dataclass

from monitord.prometheus.child.events import outage_reason
from monitord.prometheus.child.outages import Outages, outages_json
from monitord.prometheus.child.restart_policy import State, is_healthy
from monitord.system.atomic import to_json


@dataclass(slots=True)
class OutageLog:
    """All known outages; `content` is the file to publish, empty while nothing is new."""

    known: Outages
    content: bytes = b""
    _written: object = None

    def note(self, before: State, after: State, ready: bool, now: float) -> float | None:
        """Note a step of the supervision; return how long an outage lasted that it ended.

        `ready`: Prometheus was observed ready at `now` (Unix seconds).
        """
        outage = self.known.current
        if not is_healthy(after):
            self.known = self.known.unwell(outage_reason(before, after))
        elif ready:
            self.known = self.known.well(now)
        self._write()
        return now - outage.start if outage and self.known.current is None else None

    def _write(self) -> None:
        latest = (self.known.past[-1:], self.known.current)
        if latest != self._written:
            self.content, self._written = to_json(outages_json(self.known)), latest
