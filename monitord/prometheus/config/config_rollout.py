"""Roll out prometheus.yml: from the content that is loaded to the content that is wanted.

A change is checked by promtool, swapped in, loaded by SIGHUP, and confirmed by Prometheus's own metrics. If
promtool or Prometheus refuses it, the refusal is logged, the old file restored, and the same content
retried only after RETRY_SECONDS: a file that it names may exist by then. If it could not be checked or
written, for lack of a process or of space, it is retried sooner.
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
POSTPONED_SECONDS = 5.0


@dataclass(slots=True)
class Configuration:
    """A session's prometheus.yml. `wanted` is its desired content; `error` is why it differs."""

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
        """The content that Prometheus loaded last, or starts with."""
        return self._loaded

    @property
    def is_loading(self) -> bool:
        """Whether a reload was requested and its outcome is not known yet."""
        return self._reload is not None

    def install(self, now: float) -> None:
        """Before a start, install the wanted content, or else the content that worked before.

        `now` is in seconds of a monotonic clock. If nothing worked before, raises PrometheusError when
        promtool refuses the content, and PassingError when it cannot be checked at the moment.
        """
        if self._reload is not None and not self._is_restoring:
            # It ended while loading this content: starting with what worked before is safer.
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
                self._postpone(error, now)
        self._loaded = read_if_exists(self.path) or b""
        if self._loaded == self.wanted:
            self._refused, self.error = None, ""

    def advance(
        self, vitals: Vitals | None, now: float, signal: Callable[[], None], errors: Callable[[], str]
    ) -> None:
        """Advance the rollout in a running Prometheus by one step.

        `vitals` are those read since the last call, or None. `signal` makes Prometheus reload, and `errors`
        returns its latest error messages.
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
            self._postpone(error, now)
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
                self.error += "; reloading the old configuration failed too: restart the daemon"
                self.log.error("prometheus.reload_failed", reason=self.error)
        elif worked:
            self._loaded, self._refused, self.error = read_if_exists(self.path) or b"", None, ""
            self.log.info("prometheus.reloaded")
        else:
            reason = errors() or "no reason given; see logs/prometheus.log"
            self._refuse(
                f"Prometheus refused the new configuration, the old one stays in force: {reason}", now
            )
            publish(self.path, self._loaded)
            self._reload, self._is_restoring = Reload(now, vitals), True
            signal()

    def _postpone(self, error: Exception, now: float) -> None:
        self._refused, self._retry_at = self.wanted, now + POSTPONED_SECONDS
        reason = f"the new configuration is not in force yet: {error}; it is retried automatically"
        if reason != self.error:
            self.log.warning("prometheus.config_put_off", reason=reason)
        self.error = reason

    def _refuse(self, reason: str, now: float) -> None:
        self._refused, self._retry_at = self.wanted, now + RETRY_SECONDS
        if reason != self.error:
            self.log.error("prometheus.config_refused", reason=reason)
        self.error = reason
