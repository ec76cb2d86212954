"""The daemon's Prometheus: prepared, started, watched, restarted and stopped.

`supervision` decides; this carries the decisions out on the one child there is, and tells. What may
take long is asked on threads: neither a Prometheus that hangs nor a disk that does holds up the
main loop.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from monitord.atomic import publish, to_json
from monitord.background import Run, on_a_thread
from monitord.clock import Clock, to_iso
from monitord.errors import MonitordError, PrometheusUnavailableError
from monitord.prometheus.api import PrometheusClient
from monitord.prometheus.auth import Credentials, prepare_credentials
from monitord.prometheus.command import command_line, listen_address
from monitord.prometheus.config import render_config
from monitord.prometheus.configuration import Configuration
from monitord.prometheus.outages import Outages, outage_json, outages_json
from monitord.prometheus.process import (
    Build,
    PrometheusProcess,
    find_binary,
    find_promtool,
    read_build,
)
from monitord.prometheus.senses import Senses
from monitord.prometheus.storage import Storage
from monitord.prometheus.story import Exit, failure, outage_reason, story
from monitord.prometheus.supervision import (
    Action,
    Limits,
    Observation,
    Phase,
    State,
    has_ended,
    is_healthy,
    next_wake,
    request_start,
    request_stop,
    step,
)
from monitord.prometheus.vitals import Vitals
from monitord.session import Session
from monitord.settings import Settings
from monitord.targets.credentials import ScrapeCredentials


@dataclass(slots=True)
class SupervisedPrometheus:
    """One session's Prometheus, from before its first start to after its last exit.

    `wake` has the main loop call `supervise` soon; `run` runs a task beside the main loop;
    `scrape_credentials` returns those with which targets are scraped now.
    """

    session: Session
    settings: Settings
    clock: Clock
    log: FilteringBoundLogger
    wake: Callable[[], None] = lambda: None
    run: Run = on_a_thread
    scrape_credentials: Callable[[], Iterable[ScrapeCredentials]] = tuple
    url: str | None = None
    failure: str = ""
    outages: Outages = field(default_factory=Outages)
    credentials: Credentials | None = None
    storage: Storage = field(init=False)
    senses: Senses = field(init=False)
    _build: Build | None = None
    _argv: list[str] = field(default_factory=list)
    _configuration: Configuration | None = None
    _process: PrometheusProcess | None = None
    _state: State = field(default_factory=State)
    _limits: Limits = field(init=False)
    _told: object = None

    def __post_init__(self) -> None:
        wanted = self.settings.prometheus
        self._limits = Limits(
            start_timeout=wanted.start_timeout, stop_timeout=wanted.stop_timeout,
            max_failures=wanted.max_failures, check_interval=wanted.check_interval,
        )  # fmt: skip
        data = Path(wanted.data_dir) if wanted.data_dir else self.session.prometheus / "data"
        self.storage = Storage(data.absolute())
        self.senses = Senses(self.storage, wanted.port, self.client, self.wake, self.run)

    def prepare(self) -> None:
        """Find the binary, write and check its configuration.

        Raises PrometheusError when there is no usable binary or promtool refuses the configuration.
        """
        wanted, session = self.settings.prometheus, self.session
        binary = find_binary(wanted.binary)
        self._build = read_build(binary)
        promtool = find_promtool(self._build)
        if promtool is None:
            reason = f"no promtool {self._build.version} beside the binary or in $PATH"
            self.log.warning("prometheus.unchecked", reason=reason)
        if wanted.auth:
            self.credentials = prepare_credentials(session.password_file, session.web_config)
        self._configuration = Configuration(session.prometheus_config, promtool, self.log, self._render())
        self._configuration.install(self.clock.monotonic())
        self._argv = command_line(
            binary, session.prometheus_config, self.storage.folder,
            listen_address(wanted.host, wanted.port), wanted.retention,
            session.web_config if wanted.auth else None, self._build.help_text,
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

    @property
    def has_given_up(self) -> bool:
        return self._state.given_up

    @property
    def last_error(self) -> str:
        """What is wrong now, in words; empty when nothing is."""
        refused = self._configuration.error if self._configuration else ""
        return "; ".join(filter(None, (self.failure, refused)))

    def status(self) -> dict[str, Any]:
        """Return what `status/daemon.json` says of it; None is unknown."""
        credentials, outages = self.credentials, self.outages
        vitals = self.senses.vitals or Vitals()
        replay = self.senses.finding and self.senses.finding.replay
        return {
            "state": self.phase.value,
            "url": self.url,
            "version": self.version,
            "pid": self.pid,
            "user": credentials.user if credentials else None,
            "password_file": str(credentials.password_file) if credentials else None,
            "replayed_segments": replay and {"done": replay[0], "all": replay[1]},
            "last_well_at": None if outages.last_well is None else to_iso(outages.last_well),
            "outage": outages.current and outage_json(outages.current),
            "data": {
                "folder": str(self.storage.folder),
                "writable": not self._state.unwritable,
                "set_aside": [str(folder) for folder in self.storage.set_asides()],
            },
            "memory": {"resident_bytes": vitals.resident_bytes},
            "series": vitals.head_series,
        }

    def client(self, timeout: float = 10.0) -> PrometheusClient:
        """Return a connection of its own. Raises PrometheusUnavailableError while there is no URL."""
        if self.url is None:
            raise PrometheusUnavailableError(f"Prometheus is {self.phase.value}, and serves nothing yet")
        auth = (self.credentials.user, self.credentials.password) if self.credentials else None
        return PrometheusClient(self.url, auth, timeout, password_file=self.session.password_file)

    def supervise(self) -> float | None:
        """Look at the child and do what is due; return in how many seconds to look again."""
        now = self.clock.monotonic()
        if self._process is not None:
            self.url = self._process.listening_url()
        observation, ended = self.senses.observe(self._process, self._state, now)
        before = self._state
        self._state, actions = step(before, observation, now, self._limits, random.random())  # noqa: S311
        self._note(before, observation, ended)
        for action in actions:
            self._act(action)
        self._configure(now)
        self.senses.ask(self._state, now, self.url is not None, self._is_loading)
        wake = next_wake(self._state, now, self._limits)
        if wake is None:
            return None
        asking = self.senses.is_waiting or self._is_loading
        return max(wake - now, self._limits.poll_interval if asking else 0.0)  # an answer wakes the loop

    def reconfigure(self) -> None:
        """Have prometheus.yml follow the credentials that targets are scraped with by now."""
        if self._configuration is not None:
            self._configuration.wanted = self._render()
            self.wake()

    def _render(self) -> bytes:
        assert self._build is not None  # noqa: S101  # `prepare` asked the binary first
        return render_config(
            self.session.file_sd, self.settings.scrape_interval, self.settings.prometheus.limits,
            self._build.version, self.scrape_credentials(),
        )  # fmt: skip

    def stop(self) -> None:
        """Ask it to end; `supervise` sees that through, until `has_ended`."""
        self._state, actions = request_stop(self._state, self.clock.monotonic(), self._limits)
        for action in actions:
            self._act(action)

    def try_again(self) -> None:
        """Start one that was given up, or is waited for, anew."""
        self._state = request_start(self._state, self.clock.monotonic())

    def _act(self, action: Action) -> None:
        match action:
            case Action.START:
                self._start()
            case Action.SET_ASIDE:
                self._set_aside()
            case Action.STOP if self._process:
                self._process.terminate()
            case Action.KILL if self._process:
                self._process.kill()

    def _start(self) -> None:
        assert self._configuration is not None  # noqa: S101  # `prepare` comes before the first start
        self.url = None
        self.senses.start_over()
        try:
            self._configuration.install(self.clock.monotonic())
            self._process = PrometheusProcess.start(self._argv, self.session.prometheus_log)
        except (MonitordError, OSError) as error:  # the session folder is away, say
            self.failure = f"Prometheus could not be started: {error}"
            self.log.error("prometheus.not_started", reason=str(error))
            return
        self.log.info("prometheus.started", pid=self._process.pid, version=self.version)

    def _set_aside(self) -> None:
        try:
            aside = self.storage.set_aside(self.clock.now())
        except MonitordError as error:
            self.failure = str(error)
            self.log.error("prometheus.data_kept", reason=str(error))
        else:
            self.log.error("prometheus.data_set_aside", folder=str(aside), reason=self.failure)

    def _note(self, before: State, observation: Observation, ended: Exit | None) -> None:
        """Log what changed, and keep in mind what is wrong and since when."""
        after = self._state
        for line in story(before, after, ended, self.senses.unwritable):
            getattr(self.log, line.level)(line.event, **line.keys)
        if ended is not None:
            self._process, self.url = None, None
            self.senses.start_over()
        wrong = failure(before, after, ended, self.senses.unwritable)
        self.failure = self.failure if wrong is None else wrong
        outage = self.outages.current
        if not is_healthy(after):
            self.outages = self.outages.unwell(outage_reason(before, after))
        elif observation.ready:
            self.outages = self.outages.well(self.clock.now())
        if after.phase is Phase.RUNNING and before.phase is not Phase.RUNNING:
            lasted = {"outage_seconds": round(self.clock.now() - outage.start, 1)} if outage else {}
            self.log.info("prometheus.ready", url=self.url, pid=self.pid, **lasted)
        self._publish_outages()

    def _publish_outages(self) -> None:
        told = (self.outages.past[-1:], self.outages.current)
        if told != self._told:
            with suppress(OSError):  # where nothing can be written now, it is tried again
                publish(self.session.outages, to_json(outages_json(self.outages)), self.session.file_mode)
                self._told = told

    @property
    def _is_loading(self) -> bool:
        return self._configuration is not None and self._configuration.is_loading

    def _configure(self, now: float) -> None:
        """Have what runs load what prometheus.yml should say by now."""
        process, configuration = self._process, self._configuration
        if process is None or configuration is None or self._state.phase is not Phase.RUNNING:
            return
        configuration.advance(self.senses.vitals, now, process.reload, lambda: "; ".join(process.errors(1)))
