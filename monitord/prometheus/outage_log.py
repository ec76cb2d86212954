"""The outages of a session's Prometheus, kept up to date in `status/outages.json`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from monitord.atomic import publish, to_json
from monitord.prometheus.outages import Outages, outages_json
from monitord.prometheus.story import outage_reason
from monitord.prometheus.supervision import State, is_healthy
from monitord.session import Session


@dataclass(slots=True)
class OutageLog:
    """What is known of outages, and what was published of that."""

    session: Session
    known: Outages
    _published: object = None

    def note(self, before: State, after: State, ready: bool, now: float) -> float | None:
        """Take a step of the supervision into account; return how long an outage lasted that ended with it.

        `ready` says that Prometheus was just seen ready, at `now` (Unix seconds).
        """
        outage = self.known.current
        if not is_healthy(after):
            self.known = self.known.unwell(outage_reason(before, after))
        elif ready:
            self.known = self.known.well(now)
        self._publish()
        return now - outage.start if outage and self.known.current is None else None

    def _publish(self) -> None:
        content = (self.known.past[-1:], self.known.current)
        if content != self._published:
            with suppress(OSError):  # where nothing can be written now, it is tried again
                publish(self.session.outages, to_json(outages_json(self.known)), self.session.file_mode)
                self._published = content
