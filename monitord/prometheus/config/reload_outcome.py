"""Whether Prometheus took a changed configuration (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from monitord.prometheus.api.vitals import Vitals

PATIENCE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Reload:
    """A reload that was asked for at `since` (seconds), and how the one before it had ended."""

    since: float
    before: Vitals

    def outcome(self, vitals: Vitals | None, now: float) -> bool | None:
        """Say whether it worked; None while that is not known.

        A reload that fails after one that failed looks as before: it shows as one that takes too long.
        """
        if vitals and vitals.config_loaded and vitals.config_loaded_at != self.before.config_loaded_at:
            return True
        failed_now = vitals is not None and vitals.config_loaded is False and self.before.config_loaded
        return False if failed_now or now - self.since >= PATIENCE_SECONDS else None
