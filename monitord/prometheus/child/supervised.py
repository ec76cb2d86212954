"""The daemon's Prometheus: prepared, started, watched, restarted and stopped.

`supervision` decides; this carries the decisions out on the one child there is, and tells. What may
take long is asked on threads: neither a Prometheus that hangs nor a disk that does holds up the
main loop. It touches the session folder nowhere: what is to be published there is in `published`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from structlog.typing import FilteringBoundLogger

from monitord.documents.timestamps import to_iso
from monitord.errors import MonitordError, PrometheusUnavailableError, is_passing
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.child.diagnosis import Cause
from monitord.prometheus.child.events import Exit, failure, story
from monitord.prometheus.child.launch import Launch, prepare_launch
from monitord.prometheus.child.observer import Senses
from monitord.prometheus.child.outage_log import OutageLog
from monitord.prometheus.child.outages import outage_json
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
from monitord.prometheus.child.status import described
from monitord.prometheus.config.auth import Credentials
from monitord.prometheus.config.config_rollout import Configuration
from monitord.prometheus.config.render_config import render_config
from monitord.prometheus.config.web_access import PASSWORD, WEB_CONFIG, read_pair
from monitord.prometheus.data.data_folders import Made
from monitord.session.held import HeldSession
from monitord.session.settings import Settings
from monitord.system.background import Run, on_a_thread
from monitord.system.clock import Clock
from monitord.targets.credentials import ScrapeCredentials

_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Published:
    """What is to be published of it: its part of `status/daemon.json`, and whole files, by path.

    A mode of None is that of the session's other files.
    """

    status: Mapping[str, Any]
    files: Mapping[Path, tuple[bytes, int | None]]


@dataclass(slots=True)
class SupervisedPrometheus:
    """One session's Prometheus, from before its first start to after its last exit.

    A free port is kept from one start to the next: tunnels and dashboards go on working.
    `wake` has the main loop call `supervise` soon; `run` runs a task beside the main loop; `keep_line`
    gets each line for its log, on a thread, and `changed` is called when there are files to publish;
    `scrape_credentials` returns those with which targets are scraped now, with stamps of their files.
    """

    session: HeldSession
    settings: Settings
    clock: Clock
    log: FilteringBoundLogger
    outages: OutageLog
    wake: Callable[[], None] = lambda: None
    run: Run = on_a_thread
    scrape_credentials: Callable[[], Mapping[ScrapeCredentials, str]] = dict
    keep_line: Callable[[str], None] = lambda _: None
    changed: Callable[[], None] = lambda: None
    published: Published = field(init=False)
    url: str | None = None
    failure: str = ""
    _is_held_up: bool = False
    _launch: Launch | None = None
    _configuration: Configuration | None = None
    _senses: Senses | None = None
    _snapshots: Snapshots = field(init=False)
    _process: PrometheusProcess | None = None
    _port: int | None = None
    _state: State = field(default_factory=State)
    _limits: Limits = field(init=False)
    _set_asides: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        wanted = self.settings.prometheus
        self._limits = Limits(
            start_timeout=wanted.start_timeout, stop_timeout=wanted.stop_timeout,
            max_failures=wanted.max_failures, check_interval=wanted.check_interval,
        )  # fmt: skip
        self._snapshots = Snapshots(self.session, self.clock, self.log, self.client, self.wake, self.run)
        self.published = self._to_publish()

    def prepare(self, run: Made) -> None:
        """Find the binary, write and check its configuration. Nothing is supervised before.

        `run` is its run folder. Raises PrometheusError when there is no usable binary or promtool refuses
        the configuration, and InvalidInputError when it cannot be run as it is set.
        """
        self.use(prepare_launch(self.session, self.settings, self.clock.now(), run))

    def use(self, launch: Launch) -> None:
        """Have it started like this; raises PrometheusError when promtool refuses its configuration."""
        self._launch = launch
        for warning in launch.warnings:
            self.log.warning("prometheus.warned", reason=warning)
        config, port = launch.run_folder.config, self.settings.prometheus.port
        self._note_set_asides()
        launch.run_folder.make()
        self._configuration = Configuration(config, launch.promtool, self.log, self._render())
        self._configuration.install(self.clock.monotonic())
        self._senses = Senses(
            launch.storage, port, lambda: self._snapshots.restore(launch), self.client, self.wake, self.run
        )

    @property
    def launch(self) -> Launch:
        assert self._launch is not None, "prepare comes first"  # noqa: S101
        return self._launch

    @property
    def senses(self) -> Senses:
        assert self._senses is not None, "prepare comes first"  # noqa: S101
        return self._senses

    @property
    def configuration(self) -> Configuration:
        assert self._configuration is not None, "prepare comes first"  # noqa: S101
        return self._configuration

    @property
    def credentials(self) -> Credentials | None:
        return self._launch.access.credentials if self._launch else None

    @property
    def version(self) -> str | None:
        return str(self._launch.build.version) if self._launch else None

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
    def is_taking_snapshot(self) -> bool:
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
        refused = self._configuration.error if self._configuration else ""
        blind = self._senses.blind if self._senses else ""
        return "; ".join(filter(None, (self.failure, refused, self._snapshots.failure, blind)))

    def status(self) -> dict[str, Any]:
        """Return what `status/daemon.json` says of it; None is unknown."""
        credentials, outages, launch = self.credentials, self.outages.known, self._launch
        return {
            "state": self.phase.value,
            "url": self.url,
            "version": self.version,
            "pid": self.pid,
            "user": credentials.user if credentials else None,
            "password_file": str(credentials.password_file) if credentials else None,
            "last_well_at": None if outages.last_well is None else to_iso(outages.last_well),
            "outage": outages.current and outage_json(outages.current),
            **(described(launch, self.senses.finding, self._state, self._set_asides) if launch else {}),
            "snapshot": self._snapshots.newest and str(self._snapshots.newest.folder),
        }

    def client(self, timeout: float = 10.0) -> PrometheusClient:
        """Return a connection of its own. Raises PrometheusUnavailableError while there is no URL."""
        process = self._process  # first: never the new one beside the old one's URL
        url = self.url
        if url is None or process is None:
            raise PrometheusUnavailableError(f"Prometheus is {self.phase.value}, and serves nothing yet")
        auth = (self.credentials.user, self.credentials.password) if self.credentials else None
        return PrometheusClient(
            url, auth, timeout,
            password_file=self._launch.run_folder.password_file if self._launch else None,
            certificate=self._launch.certificate if self._launch else None,
            owner=os.geteuid(),
            has_ended=lambda: process.poll() is not None,
        )  # fmt: skip

    def supervise(self) -> float | None:
        """Look at the child and do what is due; return in how many seconds to look again."""
        now = self.clock.monotonic()
        if self._process is not None:
            self.url = self._process.listening_url()
            self._port = urlsplit(self.url).port if self.url else self._port
        observation, ended = self.senses.observe(self._process, self._state, now)
        if self._is_held_up:
            observation = replace(observation, cause=Cause.LIMITED)
        if observation.ready is False:
            with suppress(MonitordError, OSError):  # what it reads at every request may be gone
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
        self.senses.ask(self._state, now, self.url is not None, self.configuration.is_loading)
        self._publish()
        wake = next_wake(self._state, now, self._limits)
        if wake is None:
            return None
        asking = self.senses.is_waiting or self.configuration.is_loading
        return max(wake - now, self._limits.poll_interval if asking else 0.0)  # an answer wakes the loop

    def _publish(self) -> None:
        before, self.published = self.published, self._to_publish()
        if self.published.files != before.files:
            self.changed()

    def _to_publish(self) -> Published:
        files: dict[Path, tuple[bytes, int | None]] = {}
        if self.outages.content:
            files[self.session.outages] = (self.outages.content, None)
        if self._launch is not None:
            session, access = self.session, self.launch.access.run_files()
            copies = {session.web_config: access.get(WEB_CONFIG), session.password_file: access.get(PASSWORD),
                      session.prometheus_config: self.configuration.loaded}  # fmt: skip
            files |= {path: (content, _OWNER_ONLY) for path, content in copies.items() if content}
        return Published(self.status(), files)

    def read_certificate(self) -> Callable[[], None] | None:
        """Read the certificate again; return how to use another one than now, for the main loop.

        For a thread: the certificate may lie on a file system that hangs.
        """
        access = self._launch.access if self._launch else None
        pair = read_pair(access.tls) if access and access.tls else {}
        if access is None or not pair or pair == access.pair:
            return None
        return lambda: self._use_certificate(pair)

    def _use_certificate(self, pair: Mapping[str, bytes]) -> None:
        self._launch = self.launch.with_pair(pair)
        self.launch.refresh()
        self.log.info("prometheus.certificate_renewed")

    def reconfigure(self) -> None:
        """Have prometheus.yml follow the credentials that targets are scraped with by now."""
        self.configuration.wanted = self._render()
        self.wake()

    def adopt(self, settings: Settings) -> None:
        """Have prometheus.yml follow other settings; those that its start takes are not looked at again."""
        self.settings = settings
        self.reconfigure()

    def _render(self) -> bytes:
        return render_config(
            self.launch.run_folder.file_sd, self.settings.scrape_interval, self.settings.prometheus.limits,
            self.launch.build.version, self.scrape_credentials(), self.settings.prometheus.native_histograms,
        )  # fmt: skip

    def keep_for_next_run(self) -> None:
        """Have a snapshot taken where the data may be gone by the next run; see `is_taking_snapshot`."""
        if self._launch and self._launch.snapshots.at_end and self.is_ready:
            self._snapshots.want()

    def keep_window(self) -> None:
        """Have a snapshot taken after a window where that was asked for."""
        if self._launch and self._launch.snapshots.after_windows:
            self._snapshots.want()

    def stop(self) -> None:
        """Ask it to end; `supervise` sees that through, until `has_ended`. Then `close`."""
        self._state, actions = request_stop(self._state, self.clock.monotonic(), self._limits)
        for action in actions:
            self._act(action)

    def close(self) -> None:
        """Remove what only a run needs, once it has ended."""
        if self._launch is not None:
            self._launch.run_folder.remove()

    def abandon(self) -> None:
        """End it at once, so that it writes no more: the session, and maybe its data, are another's."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(self._limits.stop_timeout)
        self._launch = None  # nor is the run folder ours any more

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
        self.url, self._is_held_up = None, False
        self.senses.start_over()
        try:
            self._launch = self.launch.renewed()
            self.launch.refresh()
            self.configuration.install(self.clock.monotonic())
            self._process = PrometheusProcess.start(
                self.launch.argv(self._port), self.keep_line, self.launch.environment()
            )
        except (MonitordError, OSError) as error:  # the disk of the node is full, say
            self._is_held_up = is_passing(error)
            self.failure = f"Prometheus could not be started: {error}"
            self.log.error("prometheus.not_started", reason=str(error))
            return
        self.log.info("prometheus.started", pid=self._process.pid, version=self.version)

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
        with suppress(OSError):  # what they are is reported, and decides nothing
            self._set_asides = self.launch.storage.set_asides()

    def _note(self, before: State, observation: Observation, ended: Exit | None) -> None:
        """Log what changed, and keep in mind what is wrong and since when."""
        after = self._state
        for line in story(before, after, ended, self.senses.unwritable):
            getattr(self.log, line.level)(line.event, **line.keys)
        if ended is not None:
            self._process, self.url = None, None
            if ended.diagnosis.cause is Cause.PORT:  # somebody took the free one meanwhile
                self._port = None
            self.senses.start_over()
        wrong = failure(before, after, ended, self.senses.unwritable)
        self.failure = self.failure if wrong is None else wrong
        lasted = self.outages.note(before, after, bool(observation.ready), self.clock.now())
        if after.phase is Phase.RUNNING and before.phase is not Phase.RUNNING:
            gap = {} if lasted is None else {"outage_seconds": round(lasted, 1)}
            self.log.info("prometheus.ready", url=self.url, pid=self.pid, **gap)

    def _configure(self, now: float) -> None:
        """Have what runs load what prometheus.yml should say by now."""
        process = self._process
        assert process is not None  # noqa: S101  # one that runs
        vitals, errors = self.senses.vitals, lambda: "; ".join(process.errors(1))
        self.configuration.advance(vitals, now, process.reload, errors)
