"""The daemon's Prometheus: prepared, started, watched, restarted and stopped.

`supervision` decides; this carries the decisions out on the one child there is, and tells.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from monitord.clock import Clock
from monitord.errors import PrometheusUnavailableError
from monitord.prometheus.api import PrometheusClient
from monitord.prometheus.auth import Credentials, prepare_credentials
from monitord.prometheus.command import command_line, listen_address
from monitord.prometheus.config import render_config
from monitord.prometheus.process import (
    Build,
    PrometheusProcess,
    find_binary,
    find_promtool,
    install_config,
    read_build,
)
from monitord.prometheus.supervision import (
    Action,
    Limits,
    Observation,
    Phase,
    State,
    ended_outage,
    has_ended,
    is_check_due,
    next_wake,
    request_stop,
    step,
)
from monitord.session import Session
from monitord.settings import Settings


@dataclass(slots=True)
class SupervisedPrometheus:
    """One session's Prometheus, from before its first start to after its last exit."""

    session: Session
    settings: Settings
    clock: Clock
    log: FilteringBoundLogger
    url: str | None = None
    last_error: str = ""
    credentials: Credentials | None = None
    _build: Build | None = None
    _argv: list[str] = field(default_factory=list)
    _process: PrometheusProcess | None = None
    _state: State = field(default_factory=State)
    _limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        wanted = self.settings.prometheus
        self._limits = Limits(start_timeout=wanted.start_timeout, stop_timeout=wanted.stop_timeout)

    def prepare(self) -> None:
        """Find the binary, write and check its configuration.

        Raises PrometheusError when there is no usable binary or promtool refuses the configuration.
        """
        wanted, session = self.settings.prometheus, self.session
        binary = find_binary(wanted.binary)
        self._build = read_build(binary)
        promtool = find_promtool(binary)
        if promtool is None:
            self.log.warning("prometheus.unchecked", reason="no promtool beside the binary or in $PATH")
        if wanted.auth:
            self.credentials = prepare_credentials(session.password_file, session.web_config)
        config = render_config(session.file_sd, self.settings.scrape_interval, wanted.limits, self._build.version)
        install_config(session.prometheus_config, config, promtool)
        data = Path(wanted.data_dir) if wanted.data_dir else session.prometheus / "data"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._argv = command_line(
            binary, session.prometheus_config, data.absolute(), listen_address(wanted.host, wanted.port),
            wanted.retention, session.web_config if wanted.auth else None, self._build.help_text,
        )  # fmt: skip

    @property
    def version(self) -> str | None:
        return str(self._build.version) if self._build else None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def phase(self) -> Phase:
        return self._state.phase

    @property
    def is_ready(self) -> bool:
        return self._state.phase is Phase.RUNNING

    @property
    def has_ended(self) -> bool:
        return has_ended(self._state)

    def client(self, timeout: float = 10.0) -> PrometheusClient:
        """Return a connection of its own. Raises PrometheusUnavailableError while there is no URL."""
        if self.url is None:
            raise PrometheusUnavailableError(f"Prometheus is {self.phase.value}, and serves nothing yet")
        auth = (self.credentials.user, self.credentials.password) if self.credentials else None
        return PrometheusClient(self.url, auth, timeout, password_file=self.session.password_file)

    def supervise(self) -> float | None:
        """Look at the child and do what is due; return in how many seconds to look again."""
        now = self.clock.monotonic()
        observation = self._observe(now)
        before = self._state
        self._state, actions = step(before, observation, now, self._limits, random.random())  # noqa: S311
        self._tell(before)
        for action in actions:
            self._act(action)
        wake = next_wake(self._state, now, self._limits)
        return None if wake is None else max(wake - now, 0.0)

    def stop(self) -> None:
        """Ask it to end; `supervise` sees that through, until `has_ended`."""
        self._state, actions = request_stop(self._state, self.clock.monotonic(), self._limits)
        for action in actions:
            self._act(action)

    def _observe(self, now: float) -> Observation:
        process = self._process
        if process is None or process.poll() is not None:
            return Observation(running=False)
        self.url = process.listening_url()
        if not is_check_due(self._state, now):
            return Observation(running=True)
        ready = False
        if self.url is not None:
            with self.client() as client:
                ready = client.ready()
        return Observation(running=True, ready=ready)

    def _act(self, action: Action) -> None:
        match action:
            case Action.START:
                self.url = None
                self._process = PrometheusProcess.start(self._argv, self.session.prometheus_log)
                self.log.info("prometheus.started", pid=self._process.pid, version=self.version)
            case Action.STOP if self._process:
                self._process.terminate()
            case Action.KILL if self._process:
                self._process.kill()

    def _tell(self, before: State) -> None:
        """Log what changed between two states."""
        after, process = self._state, self._process
        if after.phase is before.phase:
            return
        ended = process.poll() if process else None
        if after.phase in (Phase.BACKOFF, Phase.STOPPED) and process is not None and ended is not None:
            wanted = after.phase is Phase.BACKOFF
            errors = process.errors() if wanted else ()
            self.last_error = f"Prometheus exited with {ended}: {'; '.join(errors) or 'no reason logged'}" if wanted else ""
            retry = {"retry_seconds": round(after.deadline - after.since, 1)} if wanted else {}
            say = self.log.error if wanted else self.log.info
            say("prometheus.exited", code=ended, errors=list(errors), **retry)
            self._process, self.url = None, None
        elif after.phase is Phase.RUNNING:
            self.last_error = ""
            outage = ended_outage(before, after)
            gap = {"outage_seconds": round(outage.end - outage.start, 1)} if outage else {}
            self.log.info("prometheus.ready", url=self.url, pid=self.pid, **gap)
        elif after.phase is Phase.STOPPING and after.wanted:
            why = "it was not ready in time" if after.killed else "it stopped answering"
            self.last_error = f"Prometheus is being restarted: {why}"
            self.log.error("prometheus.hung", reason=why)
        elif after.phase is Phase.FATAL:
            self.last_error = "Prometheus cannot be ended, not even by SIGKILL; it hangs in the kernel"
            self.log.error("prometheus.stuck", pid=self.pid)
