"""Which changed settings a running daemon applies, and which wait for its next start. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from monitord.session.settings import Settings, differing


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """The settings from now on, the dotted keys that changed, and those that need a restart."""

    settings: Settings
    changed: tuple[str, ...]
    needs_restart: tuple[str, ...]


def change(held: Settings, wanted: Settings) -> SettingsChange:
    """Return which of the wanted settings a running daemon can apply."""
    watch = {key: getattr(wanted.watch, key) for key in ("poll_interval", "full_scan_interval")}
    taken = held.model_copy(
        update={
            "scrape_interval": wanted.scrape_interval,
            "shutdown_timeout": wanted.shutdown_timeout,
            "windows": wanted.windows,
            "status": wanted.status,
            "watch": held.watch.model_copy(update=watch),
            "prometheus": held.prometheus.model_copy(update={"limits": wanted.prometheus.limits}),
        }
    )
    return SettingsChange(taken, differing(held, taken), differing(taken, wanted))
