"""The daemon's Prometheus, once its start is prepared: started, watched, restarted and stopped.

`restart_policy` decides; this carries the decisions out on the one process there is, and logs them. What may
take long is asked on threads: neither a Prometheus that hangs nor a disk that does holds up the main loop. It
touches the session folder nowhere: what is to be published there is part of the status that it posts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import InitVar, dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from structlog.typing import FilteringBoundLogger

from monitord.errors import MonitordError, is_passing
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.child.diagnosis import Cause
from monitord.prometheus.child.events import Exit, failure_after, log_lines
from monitord.prometheus.child.launch import Launch
from monitord.prometheus.child.observer import Observer
from monitord.prometheus.child.outage_log import OutageLog
from monitord.prometheus.child.process import PrometheusProcess
from monitord.prometheus.child.restart_policy import (
    Action,
    Limits,
    Observation,
    Phase,
    State,
    has_ended,
    next_wake,
    request_start,
    request_stop,
    step,
)
from monitord.prometheus.child.snapshot_schedule import Snapshots
from monitord.prometheus.child.status import Connection, Status, client_of
from monitord.prometheus.child.status_document import describe_launch, describe_run
from monitord.prometheus.config.config_rollout import Configuration
from monitord.prometheus.config.web_access import PASSWORD, WEB_CONFIG, read_pair
from monitord.session.held import HeldSession
from monitord.session.settings import Settings
from monitord.system.background import Run, on_a_thread
from monitord.system.clock import Clock
from monitord.targets.credentials import ScrapeCredentials

_OWNER_ONLY = 0o600


@dataclass(slots=True)
class SupervisedPrometheus:
    """One session's Prometheus, from before its first start to after its last exit.

    A free port is kept from one start to the next: tunnels and dashboards go on working.
    `credentials` are those with which targets are scraped, with stamps of their files. `wake` has the main
    loop call `supervise` soon, `post` gets each new status, `keep_line` gets each line for its log, on a
    thread, and `run` runs a task beside the main loop.

    The constructor has prometheus.yml checked and written. Raises PrometheusError when promtool refuses it.
    """

    session: HeldSession
    settings: Settings
    clock: Clock
    log: FilteringBoundLogger
    launch: Launch
    outages: OutageLog
    credentials: InitVar[Mapping[ScrapeCredentials, str]]
    wake: Callable[[], None]
    post: Callable[[Status], None]
    keep_line: Callable[[str], None]
    run: Run = on_a_thread
    configuration: Configuration = field(init=False)
    observer: Observer = field(init=False)
    url: str | None = None
    failure: str = ""
    _credentials: Mapping[ScrapeCredentials, str] = field(init=False)
    _snapshots: Snapshots = field(init=False)
    _limits: Limits = field(init=False)
    _state: State = field(default_factory=State)
    _process: PrometheusProcess | None = None
    _port: int | None = None
    _is_held_up: bool = False
    _is_abandoned: bool = False
    _set_asides: tuple[Path, ...] = ()

    def __post_init__(self, credentials: Mapping[ScrapeCredentials, str]) -> None:
        wanted, launch = self.settings.prometheus, self.launch
        self._limits = Limits(
            start_timeout=wanted.start_timeout, stop_timeout=wanted.stop_timeout,
            max_failures=wanted.max_failures, check_interval=wanted.check_interval,
        )  # fmt: skip
        for warning in launch.warnings:
            self.log.warning("prometheus.warned", reason=warning)
        self._credentials = credentials
        self._snapshots = Snapshots(self.session, self.clock, self.log, self.client, self.wake, self.run)
        self.observer = Observer(
            launch.storage, wanted.port, lambda: self._snapshots.restore(launch), self.client, self.wake,
            self.run,
        )  # fmt: skip
        launch.run_folder.make()
        content = launch.render(self.settings, credentials)
        self.configuration = Configuration(launch.run_folder.config, launch.promtool, self.log, content)
        self.configuration.install(self.clock.monotonic())
        self._note_set_asides()

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
    def is_saving(self) -> bool:
        """Whether a snapshot that was asked for is still to be taken, by a Prometheus that can."""
        return self.is_ready and self._snapshots.is_under_way

    @property
    def has_ended(self) -> bool:
        return has_ended(self._state)

    @property
    def has_given_up(self) -> bool:
        return self._state.given_up

    @property
    def last_error(self) -> str:
        """What is wrong now, in words; empty when nothing is."""
        errors = (self.failure, self.configuration.error, self._snapshots.failure, self.observer.blind)
        return "; ".join(filter(None, errors))

    def status(self) -> Status:
        """Return how it is now."""
        known, newest = self.outages.known, self._snapshots.newest
        pid = self.pid
        document = {
            **describe_run(self.launch, self.phase, known, self.url, pid),
            **describe_launch(
                self.launch,
                self._state,
                self.observer.finding,
                self._set_asides,
                self.settings.scrape_interval,
            ),
            "snapshot": newest and str(newest.folder),
        }
        return Status(
            self.phase, document, known, self._files(), self._connection(), self.launch.storage.folder,
            pid, self.last_error,
        )  # fmt: skip

    def _files(self) -> dict[Path, tuple[bytes, int | None]]:
        """Return what is to be published in the session folder: copies, and the outages."""
        session, access = self.session, self.launch.access.run_files()
        copies = {session.web_config: access.get(WEB_CONFIG), session.password_file: access.get(PASSWORD),
                  session.prometheus_config: self.configuration.loaded}  # fmt: skip
        files: dict[Path, tuple[bytes, int | None]] = {}
        if self.outages.content:
            files[session.outages] = (self.outages.content, None)
        return files | {path: (content, _OWNER_ONLY) for path, content in copies.items() if content}

    def _connection(self) -> Connection | None:
        process = self._process  # first: never the new one beside the old one's URL
        url = self.url
        if url is None or process is None:
            return None
        credentials = self.launch.access.credentials
        return Connection(
            url, (credentials.user, credentials.password) if credentials else None,
            self.launch.run_folder.password_file, self.launch.certificate,
            has_ended=lambda: process.poll() is not None,
        )  # fmt: skip

    def client(self, timeout: float = 10.0) -> PrometheusClient:
        """Return a client for one thread. Raises PrometheusUnavailableError while there is no URL."""
        return client_of(self._connection(), self.phase, timeout)

    def supervise(self) -> float | None:
        """Look at the child and do what is due; return in how many seconds to look again."""
        now = self.clock.monotonic()
        if self._process is not None:
            self.url = self._process.listening_url()
            self._port = urlsplit(self.url).port if self.url else self._port
        observation, ended = self.observer.observe(self._process, self._state, now)
        if self._is_held_up:
            observation = replace(observation, cause=Cause.LIMITED)
        if observation.ready is False:
            with suppress(MonitordError, OSError):  # files that it reads at every request may be gone
                self.launch.refresh()
        before = self._state
        self._state, actions = step(before, observation, now, self._limits, random.random())  # noqa: S311
        self._note(before, observation, ended)
        for action in actions:
            self._act(action)
        if self._state.phase is Phase.RUNNING:
            self._configure(now)
            self._snapshots.advance(self.launch)
        else:
            self._snapshots.forget()
        self.observer.ask(self._state, now, self.url is not None, self.configuration.is_loading)
        self.post(self.status())
        wake = next_wake(self._state, now, self._limits)
        if wake is None:
            return None
        asking = self.observer.is_waiting or self.configuration.is_loading
        return max(wake - now, self._limits.poll_interval if asking else 0.0)  # an answer wakes the loop

    def read_certificate(self) -> Callable[[], None] | None:
        """Read the certificate again; return how to use another one than now, for the main loop.

        For a thread: the certificate may lie on a file system that hangs.
        """
        access = self.launch.access
        pair = read_pair(access.tls) if access.tls else {}
        return (lambda: self._use_certificate(pair)) if pair and pair != access.pair else None

    def _use_certificate(self, pair: Mapping[str, bytes]) -> None:
        self.launch = self.launch.with_pair(pair)
        self.launch.refresh()
        self.log.info("prometheus.certificate_renewed")

    def use_credentials(self, credentials: Mapping[ScrapeCredentials, str]) -> None:
        """Scrape targets with other credentials: each has a scrape job in prometheus.yml."""
        self._credentials = credentials
        self._reconfigure()

    def apply_settings(self, settings: Settings) -> None:
        """Take up what of the settings is in prometheus.yml. The command line stays as it was."""
        self.settings = settings
        self._reconfigure()

    def _reconfigure(self) -> None:
        self.configuration.wanted = self.launch.render(self.settings, self._credentials)
        self.wake()

    def save_for_next_run(self) -> None:
        """Begin a snapshot where the data may be gone by the next run; see `is_saving`."""
        if self.launch.snapshots.at_end and self.is_ready:
            self._snapshots.want()

    def save_window(self) -> None:
        """Have a snapshot taken after a window, where the settings ask for that."""
        if self.launch.snapshots.after_windows:
            self._snapshots.want()

    def stop(self) -> None:
        """Ask it to end; `supervise` sees that through, until `has_ended`. Then `close`."""
        self._state, actions = request_stop(self._state, self.clock.monotonic(), self._limits)
        for action in actions:
            self._act(action)

    def close(self) -> None:
        """Remove what only a run needs, once it has ended."""
        if not self._is_abandoned:
            self.launch.run_folder.remove()

    def abandon(self) -> None:
        """Kill it at once, so that it writes no more. The session and its run folder are another daemon's."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(self._limits.stop_timeout)
        self._is_abandoned = True

    def retry(self) -> None:
        """Start at once where it has given up, or waits for its next start."""
        self._state = request_start(self._state, self.clock.monotonic())
        self.wake()

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
        self.url, self._is_held_up = None, False
        self.observer.start_over()
        try:
            self.launch = self.launch.renewed()
            self.launch.refresh()
            self.configuration.install(self.clock.monotonic())
            self._process = PrometheusProcess.start(
                self.launch.argv(self._port), self.keep_line, self.launch.environment()
            )
        except (MonitordError, OSError) as error:  # the node's disk is full, say
            self._is_held_up = is_passing(error)
            self.failure = f"Prometheus could not be started: {error}"
            self.log.error("prometheus.not_started", reason=str(error))
            return
        version = str(self.launch.build.version)
        self.log.info("prometheus.started", pid=self._process.pid, version=version)

    def _set_aside(self) -> None:
        try:
            aside = self.launch.storage.set_aside(self.clock.now())
        except MonitordError as error:
            self.failure = str(error)
            self.log.error("prometheus.data_kept", reason=str(error))
        else:
            self._note_set_asides()
            self.log.error("prometheus.data_set_aside", folder=str(aside), reason=self.failure)

    def _note_set_asides(self) -> None:
        with suppress(OSError):  # they are only reported
            self._set_asides = self.launch.storage.set_asides()

    def _note(self, before: State, observation: Observation, ended: Exit | None) -> None:
        """Log a change, and note what is wrong since when."""
        after = self._state
        for line in log_lines(before, after, ended, self.observer.unwritable):
            getattr(self.log, line.level)(line.event, **line.keys)
        if ended is not None:
            self._process, self.url = None, None
            if ended.diagnosis.cause is Cause.PORT:  # another process took the free one meanwhile
                self._port = None
            self.observer.start_over()
        wrong = failure_after(before, after, ended, self.observer.unwritable)
        self.failure = self.failure if wrong is None else wrong
        lasted = self.outages.note(before, after, bool(observation.ready), self.clock.now())
        if after.phase is Phase.RUNNING and before.phase is not Phase.RUNNING:
            gap = {} if lasted is None else {"outage_seconds": round(lasted, 1)}
            self.log.info("prometheus.ready", url=self.url, pid=self.pid, **gap)

    def _configure(self, now: float) -> None:
        """Have the running Prometheus load a changed prometheus.yml."""
        process = self._process
        assert process is not None  # noqa: S101  # one that runs
        vitals, errors = self.observer.vitals, lambda: "; ".join(process.errors(1))
        self.configuration.advance(vitals, now, process.reload, errors)
