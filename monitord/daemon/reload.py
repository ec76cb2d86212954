"""SIGHUP: the log is reopened, the settings are read again, and a Prometheus that has given up is retried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from monitord.daemon.live_settings import LiveSettings
from monitord.daemon.phase import Lifecycle, Phase
from monitord.daemon.service_notify import READY, ServiceNotify, reloading
from monitord.daemon.settings_change import change
from monitord.errors import MonitordError
from monitord.session.settings import Settings


@dataclass(slots=True)
class Reload:
    """A reload of the daemon. `retry` starts children again that have given up."""

    settings: LiveSettings
    read_settings: Callable[[], Settings]
    reopen_logs: Callable[[], None]
    log: FilteringBoundLogger
    service: ServiceNotify
    lifecycle: Lifecycle
    retry: Callable[[], None]
    wake: Callable[[], None]
    _is_requested: bool = False

    def request(self) -> None:
        """Have the daemon reload soon. Safe in a signal handler."""
        self._is_requested = True
        self.wake()

    def step(self) -> float:
        """Reload if that was requested."""
        if self._is_requested:
            self._is_requested = False
            self._notify(reloading())
            self.reopen_logs()
            self._apply_settings()
            self.retry()
            self._notify(READY)
        return float("inf")

    def _notify(self, line: str) -> None:
        """Notify systemd, which knows of reloads only once the daemon is ready."""
        if self.lifecycle.phase is Phase.READY:
            self.service.notify(line)

    def _apply_settings(self) -> None:
        """Put in force what a running daemon can change; settings with an error change nothing."""
        try:
            found = change(self.settings.current, self.read_settings())
        except MonitordError as error:
            self.log.error("settings.refused", reason=str(error), consequence="all settings stay as they are")
            return
        self.settings.replace(found.settings)
        self.log.info("settings.reloaded", changed=found.changed, needs_restart=found.needs_restart)
