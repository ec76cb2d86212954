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
from monitord.client.overview import daemon_status
from monitord.daemon.addresses import AddressCheck
from monitord.daemon.allocation import AllocationWatch
from monitord.daemon.credential_check import AccessCheck
from monitord.daemon.handover import Handover
from monitord.daemon.health import HealthPoll
from monitord.daemon.heartbeat import Heartbeat
from monitord.daemon.log_files import Logs
from monitord.daemon.loop import Loop, LoopThread
from monitord.daemon.measure import Measurement
from monitord.daemon.reading import TargetReader
from monitord.daemon.reload import Reload
from monitord.daemon.sampling import Sampling
from monitord.daemon.service_notify import READY, STOPPING, ServiceNotify
from monitord.daemon.settling import Settling
from monitord.daemon.signals import OnceInAWhile, handled
from monitord.daemon.stalls import StallWatch
from monitord.daemon.targets import TargetReconciler
from monitord.daemon.usage import UsageLog
from monitord.daemon.watching import Watching
from monitord.daemon.windows import WindowReconciler
from monitord.errors import ExitCode, InvalidInputError, MonitordError
from monitord.prometheus.child import outages
from monitord.prometheus.child.outage_log import OutageLog
from monitord.prometheus.child.supervised import SupervisedPrometheus
from monitord.prometheus.config.run_folder import RunFolder
from monitord.prometheus.data.data_folders import make_run_folder
from monitord.session.fence import Fence
from monitord.session.folder import Session
from monitord.session.held import hold
from monitord.session.lease import HEARTBEAT_SECONDS, HeldError, Holder, acquire, release
from monitord.session.settings import Settings
from monitord.session.takeover import signs_of
from monitord.slurm.allocation import Margins, read_allocation
from monitord.slurm.ended import EndedJobs
from monitord.slurm.runner import SlurmRunner
from monitord.system.atomic import read_json, remove_leftovers
from monitord.system.background import within
from monitord.system.clock import Clock, SystemClock
from monitord.system.fresh_listing import seeing_clearly
from monitord.targets.admission import rules_of
from monitord.targets.names import Names
from monitord.targets.resolve import Place

SNAPSHOT_SECONDS = 10.0
"""How long the last snapshot may take at least, also when the windows took all the time there was."""

FOLDER_SECONDS = 3.0
"""For the last words in the session folder, at the end: the next daemon needs none of them."""

CERTIFICATE_SECONDS = 60.0
"""How often a certificate is read again, which others renew."""


def run(session: Session, read_settings: Callable[[], Settings]) -> int:
    """Run a session's daemon until it is told to stop; return the exit code.

    `read_settings` is called again when a reload is asked for. Raises InvalidInputError as it does,
    HeldError when another daemon runs this session, PrometheusError when there is no Prometheus that could
    be run, and OSError or PassingError when something is full, away or too slow.
    """
    clock, settings = SystemClock(), read_settings()
    job_id = os.environ.get("SLURM_JOB_ID")
    holder = acquire(session.lease, socket.gethostname(), clock.now(), signs_of(session), job_id)
    try:
        if not session.exists():  # its settings were read just before it was deleted
            raise InvalidInputError(f"session {session.name} was deleted: {session.folder}")
        return Daemon(session, settings, holder, clock, read_settings).run()
    finally:
        within(FOLDER_SECONDS, lambda: release(session.lease, holder))


class Daemon:
    """One run of the daemon: its parts, and the two loops that call them.

    The main loop supervises Prometheus and answers signals, Slurm and systemd. All that touches the session
    folder is done by the other loop, on a thread of its own: it stands still while that folder hangs.
    """

    def __init__(
        self, session: Session, settings: Settings, holder: Holder, clock: Clock,
        read_settings: Callable[[], Settings],
    ) -> None:  # fmt: skip
        self.holder = holder
        self.clock = clock
        self.windows_under_way = False
        self.service = ServiceNotify.of(os.environ)
        self.fence = Fence(session.lease, holder, clock, seeing_clearly(session.lease))
        self.session = session = hold(session, self.fence.check)
        self.logs = Logs(session, settings.logs)
        self.log = self.logs.log
        self.loop = Loop(clock, self.log)
        self.folder_loop = Loop(clock, self.log, self.fence.check)
        self.folder_thread = LoopThread(self.folder_loop, self._begin, self._finish, self.loop.fail)
        self.stalls = StallWatch(lambda: self.folder_loop.busy, clock, self.log)
        told = daemon_status(session).get("prometheus") or {}
        self.run_folder = make_run_folder(session)
        self.prometheus = SupervisedPrometheus(
            session, settings, clock, self.log,
            OutageLog(outages.restore(read_json(session.outages), told.get("last_well_at"))),
            wake=lambda: self.loop.wake("prometheus"),
            scrape_credentials=lambda: self.targets.credentials,
            keep_line=self.logs.prometheus.write,
            changed=lambda: self.folder_loop.wake("heartbeat"),
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
        wake = self.folder_loop.wake
        self.targets = TargetReconciler(
            session, reader, settings, clock, self.log,
            EndedJobs(clock, self.log, slurm.jobs),
            wake=wake, run=RunFolder(self.run_folder.location),
        )  # fmt: skip
        self.sampling = Sampling(self.log, session)
        usage = UsageLog(clock, lambda: self.prometheus.pid, lambda: self.sampling.pid)
        self.measurement = Measurement(
            session, settings, self.prometheus.client, lambda: self.targets.registry, self.sampling,
            lambda: self.prometheus.outages.known, usage.until_now,
            lambda: self.prometheus.launch.storage.folder,
            stalls=self.stalls.touching, term=holder.term,
        )  # fmt: skip
        self.health = HealthPoll(
            clock, self.targets, self.prometheus.client, lambda: self.prometheus.is_ready,
            wake=lambda: wake("health"),
        )  # fmt: skip
        settling = Settling(
            clock, self.measurement.last_scrapes, self.measurement.targets,
            wake=lambda: wake("windows"),
        )  # fmt: skip
        self.windows = WindowReconciler(
            session, settings, clock, self.log,
            settled=settling.is_settled, wake=lambda: wake("windows"),
            collect=self.measurement.measure,
            collected=self.prometheus.keep_window,
        )  # fmt: skip
        self.watching = Watching(
            {
                "targets": (session.targets, self.targets.folder),
                "windows": (session.windows, self.windows.folder),
            },
            settings.watch.mode, self.log, wake,
        )  # fmt: skip
        self.heartbeat = Heartbeat(
            session, holder, clock, self.prometheus, self.allocation, self.handover, self.watching, usage,
            self.service, self.stalls, failure=self._failure,
        )  # fmt: skip
        self.reload = Reload(
            settings, read_settings, self.logs.reopen, self.log, self.service,
            adopting=(self.targets.adopt, self.windows.adopt, self.prometheus.adopt, self._measure_by),
            try_again=lambda: self.loop.call_soon(self._try_again),
            is_ready=lambda: self.heartbeat.phase == "ready",
            wake=lambda: wake("reload"),
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
            job=slurm.job, find=slurm.find, cancel=slurm.cancel,
            wake=lambda: self.folder_loop.wake("handover"),
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
        except (MonitordError, OSError) as error:
            self.heartbeat.phase, self.heartbeat.last_error = "failed", str(error)
            self.log.error("daemon.failed", reason=str(error))
            raise
        finally:
            self.windows.stop()
            self.sampling.close()
            self.prometheus.close()
            if not self.folder_thread.end(FOLDER_SECONDS):
                self.log.error("session_folder.given_up", reason=self.stalls.text or "it does not answer")
            if self.heartbeat.phase == "stopped":
                self.log.info("daemon.stopped")
            self.logs.close(FOLDER_SECONDS)
        return ExitCode.OK

    def _start(self) -> None:
        self.loop.add("service", self.heartbeat.pulse)
        self.loop.add("stalls", self.stalls.step)
        self.loop.add("allocation", self.allocation.step)
        self.folder_thread.start()

    def _begin(self) -> None:
        """Begin the work on the session folder; the main loop then supervises Prometheus."""
        self.heartbeat.publish()
        store.clean(self.session.artifacts)
        session = self.session
        for folder in (
            session.status, session.target_statuses, session.window_statuses, session.prometheus,
        ):  # fmt: skip
            remove_leftovers(folder)
        # Targets first: Prometheus then finds them when it starts, and need not wait for a refresh.
        self.folder_loop.add("targets", self._reconcile_targets)
        self.folder_loop.once(longest=0.0)
        self.prometheus.prepare(self.run_folder)
        self.folder_loop.add("config", self._reconfigure)
        self.folder_loop.add("certificate", self._renew_certificate)
        self.folder_loop.add("reload", self.reload.step)
        self.folder_loop.add("windows", self._reconcile_windows)
        self.folder_loop.add("health", self.health.poll)
        self.folder_loop.add("tell", self._tell)
        if self.handover:
            self.folder_loop.add("handover", self.handover.step)
        self.folder_loop.add("heartbeat", self.heartbeat.publish)
        self.watching.start()
        gc.freeze()  # what is here to stay is not looked through at every collection of garbage
        self.loop.call_soon(lambda: self.loop.add("prometheus", self._supervise))

    def _finish(self) -> None:
        """End the work on the session folder with a last word."""
        self.watching.stop()
        # On a full disk the last heartbeat stands, and grows old; that of a successor is not ours.
        with suppress(OSError, HeldError):
            self.fence.check()
            self.heartbeat.publish()

    def _stop(self) -> None:
        """Close and collect what is open while there is time, then stop Prometheus cleanly."""
        closing, timeout = self.allocation.is_closing, self.reload.settings.shutdown_timeout
        seconds = self.allocation.seconds_left if closing else timeout
        deadline = self.clock.monotonic() + seconds
        self.heartbeat.phase = "stopping"
        self.service.tell(STOPPING)
        self.loop.remove("allocation")
        self.windows_under_way = True
        self.folder_loop.call_soon(lambda: self._begin_closing(seconds, withdraw=not closing))
        while self._may_finish_windows(deadline):
            self.loop.once(longest=0.1)
        self.folder_loop.call_soon(lambda: self.folder_loop.remove("windows"))
        self.prometheus.keep_for_next_run()
        latest = max(deadline, self.clock.monotonic() + SNAPSHOT_SECONDS)
        while self._may_finish_snapshot(latest):
            self.loop.once(longest=0.1)
        self.prometheus.stop()
        while not self.prometheus.has_ended:
            self.loop.once(longest=0.1)
        self.heartbeat.phase = "stopped"

    def _begin_closing(self, seconds: float, *, withdraw: bool) -> None:
        self.windows.hurry(seconds)
        self.folder_loop.remove("targets", "handover")
        if self.handover and withdraw:
            self.handover.withdraw()
        self.folder_loop.add("windows", self._close_windows)
        self.folder_loop.wake("heartbeat")

    def _may_finish_windows(self, deadline: float) -> bool:
        return self.windows_under_way and not self._is_hurried and self.clock.monotonic() < deadline

    def _may_finish_snapshot(self, latest: float) -> bool:
        goes_on = self.prometheus.is_taking_snapshot and not self.stalls.text
        return goes_on and not self._is_hurried and self.clock.monotonic() < latest

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
            self.loop.wake("service")
            self.folder_loop.call_soon(self.health.start_over)
            for part in ("heartbeat", "health"):
                self.folder_loop.wake(part)
        return again if again is not None else HEARTBEAT_SECONDS

    def _reconfigure(self) -> float:
        self.prometheus.reconfigure()
        return float("inf")

    def _renew_certificate(self) -> float:
        use = self.prometheus.read_certificate()
        if use is not None:
            self.loop.call_soon(use)
        return CERTIFICATE_SECONDS

    def _measure_by(self, settings: Settings) -> None:
        """Have windows that are collected from now on go by other settings."""
        self.measurement = replace(self.measurement, settings=settings)
        self.windows.collect = self.measurement.measure
        self.folder_loop.wake("targets")

    def _try_again(self) -> None:
        self.prometheus.try_again()
        self.loop.wake("prometheus")

    def _tell(self) -> float:
        return 0.0 if self.targets.tell() else HEARTBEAT_SECONDS

    def _failure(self) -> str:
        return "; ".join(filter(None, (self.loop.failure, self.folder_loop.failure)))

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
