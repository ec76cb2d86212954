"""The daemon, put together: what is started in which order, and stopped in reverse."""

from __future__ import annotations

import gc
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from monitord import __version__
from monitord.artifacts import store
from monitord.atomic import read_json, remove_leftovers
from monitord.clock import Clock, SystemClock
from monitord.daemon.access import AccessCheck
from monitord.daemon.addresses import AddressCheck
from monitord.daemon.allocation import AllocationWatch
from monitord.daemon.handover import Handover
from monitord.daemon.health import HealthPoll
from monitord.daemon.heartbeat import Heartbeat
from monitord.daemon.measure import Measurement
from monitord.daemon.reading import TargetReader
from monitord.daemon.reload import Reload
from monitord.daemon.sampling import Sampling
from monitord.daemon.settling import Settling
from monitord.daemon.signals import OnceInAWhile, handled
from monitord.daemon.targets import TargetReconciler
from monitord.daemon.usage import UsageLog
from monitord.daemon.watching import Watching
from monitord.daemon.windows import WindowReconciler
from monitord.errors import ExitCode, InvalidInputError, MonitordError
from monitord.fence import Fence
from monitord.lease import HEARTBEAT_SECONDS, HeldError, Holder, acquire, release
from monitord.listing import seeing_clearly
from monitord.logs import LogFile, open_log
from monitord.loop import Loop
from monitord.overview import daemon_status
from monitord.prometheus import outages
from monitord.prometheus.outage_log import OutageLog
from monitord.prometheus.supervised import SupervisedPrometheus
from monitord.service_notify import READY, STOPPING, ServiceNotify
from monitord.session import Session
from monitord.settings import Settings
from monitord.slurm.allocation import Margins, read_allocation
from monitord.slurm.ended import EndedJobs
from monitord.slurm.runner import SlurmRunner
from monitord.takeover import signs_of
from monitord.targets.admission import rules_of
from monitord.targets.names import Names
from monitord.targets.resolve import Place

SNAPSHOT_SECONDS = 10.0
"""How long the last snapshot may take at least, also when the windows took all the time there was."""


def run(session: Session, read_settings: Callable[[], Settings]) -> int:
    """Run a session's daemon until it is told to stop; return the exit code.

    `read_settings` is called again when a reload is asked for. Raises InvalidInputError as it does,
    HeldError when another daemon runs this session, and PrometheusError when there is no Prometheus
    that could be run.
    """
    clock, settings = SystemClock(), read_settings()
    job_id = os.environ.get("SLURM_JOB_ID")
    holder = acquire(session.lease, socket.gethostname(), clock.now(), signs_of(session), job_id)
    try:
        if not session.exists():  # its settings were read just before it was deleted
            raise InvalidInputError(f"session {session.name} was deleted: {session.folder}")
        return Daemon(session, settings, holder, clock, read_settings).run()
    finally:
        release(session.lease, holder)


class Daemon:
    """One run of the daemon: its parts, and the heartbeat that tells of them."""

    def __init__(
        self, session: Session, settings: Settings, holder: Holder, clock: Clock,
        read_settings: Callable[[], Settings],
    ) -> None:  # fmt: skip
        self.session = session
        self.holder = holder
        self.clock = clock
        self.windows_under_way = False
        self.service = ServiceNotify.of(os.environ)
        log_file = LogFile(session.log_file, session.file_mode)
        self.log = open_log(log_file, session.name)
        self.fence = Fence(session.lease, holder, clock, seeing_clearly(session.lease))
        self.loop = Loop(clock, self.log, self.fence.check)
        told = daemon_status(session).get("prometheus") or {}
        self.prometheus = SupervisedPrometheus(
            session, settings, clock, self.log,
            OutageLog(session, outages.restore(read_json(session.outages), told.get("last_well_at"))),
            wake=lambda: self.loop.wake("prometheus"),
            scrape_credentials=lambda: self.targets.credentials,
        )  # fmt: skip
        slurm = SlurmRunner(pauses=())
        self.allocation = AllocationWatch(
            read_allocation(os.environ),
            Margins(settings.allocation.warn_before, settings.allocation.close_before),
            clock, self.log, slurm.job, close=self.loop.stop, wake=lambda: self.loop.wake("allocation"),
        )  # fmt: skip
        self.handover = self._make_handover(slurm) if settings.handover else None
        place = Place(holder.host, under_slurm=self.allocation.allocation is not None)
        reader = TargetReader(
            session.name, place, AddressCheck(rules_of(settings.targets), Names(clock)),
            AccessCheck(settings.watch.full_scan_interval),
        )  # fmt: skip
        self.targets = TargetReconciler(
            session, reader, settings, clock, self.log,
            EndedJobs(clock, self.log, slurm.jobs),
            wake=self.loop.wake,
        )  # fmt: skip
        self.sampling = Sampling(self.log, session)
        usage = UsageLog(clock, lambda: self.prometheus.pid, lambda: self.sampling.pid)
        self.measurement = Measurement(
            session, settings, self.prometheus.client, lambda: self.targets.registry, self.sampling,
            lambda: self.prometheus.outages.known, usage.until_now,
            lambda: self.prometheus.launch.storage.folder,
            confirm=self.fence.check, term=holder.term,
        )  # fmt: skip
        self.health = HealthPoll(
            clock, self.targets, self.prometheus.client, lambda: self.prometheus.is_ready,
            wake=lambda: self.loop.wake("health"),
        )  # fmt: skip
        settling = Settling(
            clock, self.measurement.last_scrapes, self.measurement.targets,
            wake=lambda: self.loop.wake("windows"),
        )  # fmt: skip
        self.windows = WindowReconciler(
            session, settings, clock, self.log,
            settled=settling.is_settled, wake=lambda: self.loop.wake("windows"),
            collect=self.measurement.measure,
            collected=self.prometheus.keep_window,
        )  # fmt: skip
        self.watching = Watching(
            {
                "targets": (session.targets, self.targets.folder),
                "windows": (session.windows, self.windows.folder),
            },
            settings.watch.mode, self.log, self.loop.wake,
        )  # fmt: skip
        self.heartbeat = Heartbeat(
            session, holder, clock, self.prometheus, self.allocation, self.handover, self.watching, usage,
            self.service, failure=lambda: self.loop.failure,
        )  # fmt: skip
        self.reload = Reload(
            settings, read_settings, log_file, self.log, self.service,
            adopting=(self.targets.adopt, self.windows.adopt, self.prometheus.adopt, self._measure_by),
            try_again=self._try_again, is_ready=lambda: self.heartbeat.phase == "ready",
            wake=lambda: self.loop.wake("reload"),
        )  # fmt: skip

    def _make_handover(self, slurm: SlurmRunner) -> Handover | None:
        allocation = self.allocation.allocation
        if allocation is None:
            self.log.warning("handover.failed", reason="this is no Slurm job", consequence="nothing goes on")
            return None
        return Handover(
            self.session, allocation.job_id, self.log,
            submit=lambda like, options: slurm.submit(
                Path(like.script), options, like.arguments, like.environment
            ),
            job=slurm.job, find=slurm.find, cancel=slurm.cancel, wake=lambda: self.loop.wake("handover"),
            known=daemon_status(self.session).get("successor_job_id"),
        )  # fmt: skip

    def run(self) -> int:
        """Start everything, go on until a signal, stop everything in reverse."""
        self.log.info("daemon.started", host=self.holder.host, pid=self.holder.pid, version=__version__)
        try:
            with handled(self._actions()):
                self._start()
                self.loop.run()
                self._stop()
        except HeldError as error:
            self.log.error("daemon.superseded", reason=str(error))
            self.prometheus.abandon()
            raise
        except MonitordError as error:
            self.heartbeat.phase, self.heartbeat.last_error = "failed", str(error)
            self.log.error("daemon.failed", reason=str(error))
            raise
        finally:
            self.watching.stop()
            self.windows.stop()
            self.sampling.close()
            self.prometheus.close()
            # On a full disk the last heartbeat stands, and grows old; that of a successor is not ours.
            with suppress(OSError, HeldError):
                self.fence.check()
                self.heartbeat.publish()
        self.log.info("daemon.stopped")
        return ExitCode.OK

    def _start(self) -> None:
        self.heartbeat.publish()
        store.clean(self.session.artifacts)
        for folder in (self.session.status, self.session.target_statuses, self.session.window_statuses):
            remove_leftovers(folder)
        # Targets first: Prometheus then finds them when it starts, and need not wait for a refresh.
        self.loop.add("targets", self._reconcile_targets)
        self.loop.once(longest=0.0)
        self.prometheus.prepare()
        self.loop.add("prometheus", self._supervise)
        self.loop.add("config", self._reconfigure)
        self.loop.add("reload", self.reload.step)
        self.loop.add("windows", self._reconcile_windows)
        self.loop.add("health", self.health.poll)
        self.loop.add("tell", self._tell)
        self.loop.add("allocation", self.allocation.step)
        if self.handover:
            self.loop.add("handover", self.handover.step)
        self.loop.add("heartbeat", self.heartbeat.beat)
        self.watching.start()
        gc.freeze()  # what is here to stay is not looked through at every collection of garbage

    def _stop(self) -> None:
        """Close and collect what is open while there is time, then stop Prometheus cleanly."""
        closing, timeout = self.allocation.is_closing, self.reload.settings.shutdown_timeout
        seconds = self.allocation.seconds_left if closing else timeout
        deadline = self.clock.monotonic() + seconds
        self.windows.hurry(seconds)
        self.heartbeat.phase = "stopping"
        self.service.tell(STOPPING)
        self.loop.remove("targets", "allocation", "handover")
        if self.handover and not closing:
            self.handover.withdraw()
        self.loop.add("windows", self._close_windows)
        self.windows_under_way = True
        while self._may_finish_windows(deadline):
            self.loop.once(longest=0.1)
        self.loop.remove("windows")
        self.prometheus.keep_for_next_run()
        latest = max(deadline, self.clock.monotonic() + SNAPSHOT_SECONDS)
        while self.prometheus.is_taking_snapshot and not self._is_hurried and self.clock.monotonic() < latest:
            self.loop.once(longest=0.1)
        self.prometheus.stop()
        while not self.prometheus.has_ended:
            self.loop.once(longest=0.1)
        self.heartbeat.phase = "stopped"

    def _may_finish_windows(self, deadline: float) -> bool:
        return self.windows_under_way and not self._is_hurried and self.clock.monotonic() < deadline

    @property
    def _is_hurried(self) -> bool:
        return self.loop.stop_requests > 1

    def _close_windows(self) -> float:
        self.windows.close_open()
        self.windows_under_way = self.windows.advance()
        return 0.1

    def _reconcile_targets(self) -> float:
        again = self.targets.reconcile()
        self.watching.keep()
        return min(self.reload.settings.watch.poll_interval, again if again is not None else float("inf"))

    def _reconcile_windows(self) -> float:
        again = self.windows.reconcile()
        return min(self.reload.settings.watch.poll_interval, again if again is not None else float("inf"))

    def _supervise(self) -> float:
        again = self.prometheus.supervise()
        phase = "ready" if self.prometheus.is_ready else "starting"
        if self.prometheus.has_given_up:
            phase = "degraded"
        if self.heartbeat.phase in ("starting", "ready", "degraded") and phase != self.heartbeat.phase:
            self.heartbeat.phase = phase
            if phase == "ready":
                self.service.tell(READY)
            self.health.start_over()
            for part in ("heartbeat", "health"):
                self.loop.wake(part)
        return again if again is not None else HEARTBEAT_SECONDS

    def _reconfigure(self) -> float:
        self.prometheus.reconfigure()
        return float("inf")

    def _measure_by(self, settings: Settings) -> None:
        """Have windows that are collected from now on go by other settings."""
        self.measurement = replace(self.measurement, settings=settings)
        self.windows.collect = self.measurement.measure
        self.loop.wake("targets")

    def _try_again(self) -> None:
        self.prometheus.try_again()
        self.loop.wake("prometheus")

    def _tell(self) -> float:
        return 0.0 if self.targets.tell() else HEARTBEAT_SECONDS

    def _actions(self) -> dict[signal.Signals, Callable[[], None]]:
        """SIGTERM and SIGINT end the loop, the second one cuts short what is still collected.

        SIGUSR1 says that the allocation ends soon. SIGHUP has the log opened and the settings read again, and
        a Prometheus that was given up tried again.
        """
        return {
            signal.SIGTERM: OnceInAWhile(self.loop.stop, self.clock.monotonic),
            signal.SIGINT: self.loop.stop,
            signal.SIGUSR1: self.allocation.warn,
            signal.SIGHUP: self.reload.ask,
        }
