"""Detect whether Prometheus loaded a changed configuration (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from monitord.prometheus.api.vitals import Vitals

PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Reload:
    """A reload that was requested at `since` (seconds), and the state before it."""

    since: float
    before: Vitals

    def outcome(self, vitals: Vitals | None, now: float) -> bool | None:
        """Return whether the reload succeeded; None while that is not known.

        A second failure in a row changes no metric, so it shows only as a time-out.
        """
        if vitals and vitals.config_loaded and vitals.config_loaded_at != self.before.config_loaded_at:
            return True
        failed_now = vitals is not None and vitals.config_loaded is False and self.before.config_loaded
        return False if failed_now or now - self.since >= PATIENCE_SECONDS else None
