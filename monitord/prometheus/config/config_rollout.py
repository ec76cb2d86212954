"""prometheus.yml: what it should say, what Prometheus has loaded, and the way from one to the other.

A change is checked by promtool, swapped in, loaded by SIGHUP and read back from Prometheus's own
metrics. What promtool or Prometheus refuses is told, the old file put back, and the same
content not tried again before RETRY_SECONDS have passed: a file that it names may be there by then. What
could not be checked or written at all, for want of a process or of room, is tried again sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from monitord.errors import PassingError, PrometheusError
from monitord.prometheus.api.vitals import Vitals
from monitord.prometheus.config.programs import install_config
from monitord.prometheus.config.reload_outcome import Reload
from monitord.system.atomic import publish, read_if_exists

RETRY_SECONDS = 60.0
HELD_UP_SECONDS = 5.0


@dataclass(slots=True)
class Configuration:
    """A session's prometheus.yml. `wanted` is what it should say; `error` why it does not."""

    path: Path
    promtool: Path | None
    log: FilteringBoundLogger
    wanted: bytes
    error: str = ""
    _loaded: bytes = b""
    _refused: bytes | None = None
    _retry_at: float = 0.0
    _reload: Reload | None = field(default=None)
    _is_restoring: bool = False

    @property
    def loaded(self) -> bytes:
        """What Prometheus last loaded, or starts with."""
        return self._loaded

    @property
    def is_loading(self) -> bool:
        """Whether Prometheus was told to reload, and has not said how that went."""
        return self._reload is not None

    def install(self, now: float) -> None:
        """Have the file say what is wanted before a start, or what worked before.

        `now` is in seconds of a clock that never goes back. Raises PrometheusError when promtool refuses
        it and nothing worked before, PassingError when it cannot be checked at this moment and nothing did.
        """
        if self._reload is not None and not self._is_restoring:
            # It ended while it was loading this: what worked before is the safer thing to start with.
            self._refuse("Prometheus ended while it loaded the new configuration", now)
            publish(self.path, self._loaded)
        self._reload = None
        if self.wanted != self._refused or now >= self._retry_at:
            try:
                install_config(self.path, self.wanted, self.promtool)
            except PrometheusError as error:
                if not self._loaded:
                    raise
                self._refuse(str(error), now)
            except PassingError as error:
                if not self._loaded:
                    raise
                self._put_off(error, now)
        self._loaded = read_if_exists(self.path) or b""
        if self._loaded == self.wanted:
            self._refused, self.error = None, ""

    def advance(
        self, vitals: Vitals | None, now: float, signal: Callable[[], None], errors: Callable[[], str]
    ) -> None:
        """Take a running Prometheus a step nearer to what is wanted.

        `vitals` were read since the last call, None if not; `signal` has it reload, and `errors`
        returns what it last complained of.
        """
        if self._reload is not None:
            worked = self._reload.outcome(vitals, now)
            if worked is not None:
                self._conclude(worked, vitals or self._reload.before, now, signal, errors)
        elif vitals is not None and self._is_due(now):
            self._change(vitals, now, signal)

    def _is_due(self, now: float) -> bool:
        return self.wanted != self._loaded and (self.wanted != self._refused or now >= self._retry_at)

    def _change(self, vitals: Vitals, now: float, signal: Callable[[], None]) -> None:
        try:
            install_config(self.path, self.wanted, self.promtool)
        except PrometheusError as error:
            self._refuse(str(error), now)
            return
        except (PassingError, OSError) as error:
            self._put_off(error, now)
            return
        self._reload, self._is_restoring = Reload(now, vitals), False
        signal()

    def _conclude(
        self, worked: bool, vitals: Vitals, now: float, signal: Callable[[], None], errors: Callable[[], str]
    ) -> None:
        self._reload = None
        if self._is_restoring:
            self._is_restoring = False
            if not worked:
                self.error += "; nor did it load the old one again: restart the daemon"
                self.log.error("prometheus.reload_failed", reason=self.error)
        elif worked:
            self._loaded, self._refused, self.error = read_if_exists(self.path) or b"", None, ""
            self.log.info("prometheus.reloaded")
        else:
            reason = errors() or "it did not say why; see logs/prometheus.log"
            self._refuse(f"Prometheus refused the new configuration, the old one holds: {reason}", now)
            publish(self.path, self._loaded)
            self._reload, self._is_restoring = Reload(now, vitals), True
            signal()

    def _put_off(self, error: Exception, now: float) -> None:
        self._refused, self._retry_at = self.wanted, now + HELD_UP_SECONDS
        reason = f"the new configuration is not in force yet: {error}; tried again by itself"
        if reason != self.error:
            self.log.warning("prometheus.config_put_off", reason=reason)
        self.error = reason

    def _refuse(self, reason: str, now: float) -> None:
        self._refused, self._retry_at = self.wanted, now + RETRY_SECONDS
        if reason != self.error:
            self.log.error("prometheus.config_refused", reason=reason)
        self.error = reason
