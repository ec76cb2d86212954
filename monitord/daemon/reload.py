"""SIGHUP: the log opened anew, the settings read again, and a Prometheus that was given up tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from monitord.daemon.service_notify import READY, ServiceNotify, reloading
from monitord.daemon.settings_change import change
from monitord.errors import MonitordError
from monitord.session.settings import Settings


@dataclass(slots=True)
class Reload:
    """The settings in force, and how others come into force; `adopting` take them up.

    `try_again` starts a Prometheus that was given up; `is_ready` says whether systemd was told so.
    """

    settings: Settings
    read_settings: Callable[[], Settings]
    reopen_logs: Callable[[], None]
    log: FilteringBoundLogger
    service: ServiceNotify
    adopting: Sequence[Callable[[Settings], None]]
    try_again: Callable[[], None]
    is_ready: Callable[[], bool]
    wake: Callable[[], None]
    _is_asked: bool = False

    def ask(self) -> None:
        """Have it done soon. Safe in a signal handler."""
        self._is_asked = True
        self.wake()

    def step(self) -> float:
        """Do it where it was asked for."""
        if self._is_asked:
            self._is_asked = False
            if self.is_ready():
                self.service.tell(reloading())
            self.reopen_logs()
            self._adopt()
            self.try_again()
            if self.is_ready():
                self.service.tell(READY)
        return float("inf")

    def _adopt(self) -> None:
        """Take up what has changed in the settings, where a running daemon can; or nothing at all."""
        try:
            found = change(self.settings, self.read_settings())
        except MonitordError as error:
            self.log.error("settings.refused", reason=str(error), consequence="all settings stay as they are")
            return
        self.settings = found.settings
        for adopt in self.adopting:
            adopt(found.settings)
        self.log.info("settings.reloaded", changed=found.changed, needs_restart=found.needs_restart)
