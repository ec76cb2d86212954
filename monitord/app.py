"""The daemon, put together: what is started in which order, and stopped in reverse."""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from monitord import __version__
from monitord.artifacts import store
from monitord.atomic import publish, read_json, remove_leftovers, to_json
from monitord.clock import Clock, SystemClock, to_iso
from monitord.daemon.access import AccessCheck
from monitord.daemon.addresses import AddressCheck
from monitord.daemon.allocation import AllocationWatch
from monitord.daemon.handover import Handover
from monitord.daemon.health import HealthPoll
from monitord.daemon.measure import Measurement
from monitord.daemon.reading import TargetReader
from monitord.daemon.sampling import Sampling
from monitord.daemon.settling import Settling
from monitord.daemon.targets import TargetReconciler
from monitord.daemon.usage import UsageLog
from monitord.daemon.windows import WindowReconciler
from monitord.errors import ExitCode, MonitordError
from monitord.lease import HEARTBEAT_SECONDS, HeldError, Holder, acquire, read_holder, release
from monitord.logs import open_log
from monitord.loop import Loop
from monitord.overview import daemon_status
from monitord.prometheus import outages
from monitord.prometheus.outage_log import OutageLog
from monitord.prometheus.supervised import SupervisedPrometheus
from monitord.session import Session
from monitord.settings import Settings
from monitord.slurm.allocation import Allocation, Margins, read_allocation
from monitord.slurm.ended import EndedJobs
from monitord.slurm.runner import SlurmRunner
from monitord.targets.admission import rules_of
from monitord.targets.names import Names
from monitord.targets.resolve import Place
from monitord.targets.watch import Watch, watch

REPEATED_SECONDS = 3.0
"""SIGTERM within this of another one is the same one."""

SNAPSHOT_SECONDS = 10.0
"""How long the last snapshot may take at least, also when the windows took all the time there was."""


def run(session: Session, settings: Settings) -> int:
    """Run a session's daemon until it is told to stop; return the exit code.

    Raises HeldError when another daemon runs this session, and PrometheusError when there is no
    Prometheus that could be run.
    """
    clock = SystemClock()
    holder = acquire(
        session.lease, socket.gethostname(), clock.now(),
        heartbeat=lambda: daemon_status(session).get("updated_at"), pause=time.sleep,
    )  # fmt: skip
    try:
        return Daemon(session, settings, holder, clock).run()
    finally:
        release(session.lease, holder)


class Daemon:
    """One run of the daemon: its parts, and the heartbeat that tells of them."""

    def __init__(self, session: Session, settings: Settings, holder: Holder, clock: Clock) -> None:
        self.session = session
        self.settings = settings
        self.holder = holder
        self.clock = clock
        self.phase = "starting"
        self.watch: Watch | None = None
        self._watched: tuple[int, int] | None = None
        self.last_error = ""
        self.superseded = False
        self.windows_under_way = False
        self._terminated_at = float("-inf")
        self._warnings = 0
        self.log = open_log(session.log_file, session.name, session.file_mode)
        self.loop = Loop(clock, self.log)
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
        self.usage = UsageLog(clock, lambda: self.prometheus.pid, lambda: self.sampling.pid)
        measurement = Measurement(
            session, settings, self.prometheus.client, lambda: self.targets.registry, self.sampling,
            lambda: self.prometheus.outages.known, self.usage.until_now,
        )  # fmt: skip
        self.health = HealthPoll(
            clock, self.targets, self.prometheus.client, lambda: self.prometheus.is_ready,
            wake=lambda: self.loop.wake("health"),
        )  # fmt: skip
        settling = Settling(
            clock, measurement.last_scrapes, measurement.targets, wake=lambda: self.loop.wake("windows")
        )
        self.windows = WindowReconciler(
            session, settings, clock, self.log,
            settled=settling.is_settled, collect=measurement.measure, wake=lambda: self.loop.wake("windows"),
            collected=self.prometheus.keep_window,
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
            job=slurm.job, cancel=slurm.cancel, wake=lambda: self.loop.wake("handover"),
            known=daemon_status(self.session).get("successor_job_id"),
        )  # fmt: skip

    def run(self) -> int:
        """Start everything, go on until a signal, stop everything in reverse."""
        self.log.info("daemon.started", host=self.holder.host, pid=self.holder.pid, version=__version__)
        try:
            with self._signals():
                self._start()
                self.loop.run()
                self._stop()
        except MonitordError as error:
            self.phase, self.last_error = "failed", str(error)
            self.log.error("daemon.failed", reason=str(error))
            raise
        finally:
            if self.watch is not None:
                self.watch.stop()
            self.windows.stop()
            self.sampling.close()
            self.prometheus.close()
            with suppress(OSError):  # on a full disk the last heartbeat stands, and grows old
                self._publish_status()
        self.log.info("daemon.stopped")
        return ExitCode.OK

    def _start(self) -> None:
        self._publish_status()
        store.clean(self.session.artifacts)
        for folder in (self.session.status, self.session.target_statuses, self.session.window_statuses):
            remove_leftovers(folder)
        # Targets first: Prometheus then finds them when it starts, and need not wait for a refresh.
        self.loop.add("targets", self._reconcile_targets)
        self.loop.once(longest=0.0)
        self.prometheus.prepare()
        self.loop.add("prometheus", self._supervise)
        self.loop.add("config", self._reconfigure)
        self.loop.add("again", self._try_again)
        self.loop.add("windows", self._reconcile_windows)
        self.loop.add("health", self.health.poll)
        self.loop.add("tell", self._tell)
        self.loop.add("allocation", self.allocation.step)
        self.loop.add("warned", self._warned)
        if self.handover:
            self.loop.add("handover", self.handover.step)
        self.loop.add("heartbeat", self._beat)
        self._start_watching()
        gc.freeze()  # what is here to stay is not looked through at every collection of garbage

    def _stop(self) -> None:
        """Close and collect what is open while there is time, then stop Prometheus cleanly."""
        closing, timeout = self.allocation.is_closing, self.settings.shutdown_timeout
        deadline = self.clock.monotonic() + (self.allocation.seconds_left if closing else timeout)
        self.phase = "stopping"
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
        if self.superseded:
            raise HeldError("another daemon took this session over while this one was held up")
        self.phase = "stopped"

    def _may_finish_windows(self, deadline: float) -> bool:
        return self.windows_under_way and not self._is_hurried and self.clock.monotonic() < deadline

    @property
    def _is_hurried(self) -> bool:
        return self.loop.stop_requests > 1 or self.superseded

    def _close_windows(self) -> float:
        self.windows.close_open()
        self.windows_under_way = self.windows.advance()
        return 0.1

    def _start_watching(self) -> None:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        folders = {self.session.targets: "targets", self.session.windows: "windows"}
        self.watch, reason = watch(folders, self.settings.watch.mode, self._wake_for_event, mounts)
        self.log.info("watch.started", mode=self.watch.mode, reason=reason)

    def _keep_watching(self) -> None:
        """Watch the folders that are there now: of one that was made anew, the old watch sees nothing."""
        inodes = (self.targets.folder.inode, self.windows.folder.inode)
        replaced = self._watched is not None and inodes != self._watched
        if self.watch is not None and (replaced or (self.watch.lost and self._are_there())):
            self.watch.stop()
            self._start_watching()
        self._watched = None if 0 in inodes else inodes

    def _are_there(self) -> bool:
        return self.session.targets.is_dir() and self.session.windows.is_dir()

    def _wake_for_event(self, folder: str, file: str) -> None:
        """Have a file looked at soon. Called by watchdog's thread."""
        (self.targets if folder == "targets" else self.windows).folder.suspect(file)
        self.loop.wake(folder)

    def _reconcile_targets(self) -> float:
        again = self.targets.reconcile()
        self._keep_watching()
        return min(self.settings.watch.poll_interval, again if again is not None else float("inf"))

    def _reconcile_windows(self) -> float:
        again = self.windows.reconcile()
        return min(self.settings.watch.poll_interval, again if again is not None else float("inf"))

    def _supervise(self) -> float:
        again = self.prometheus.supervise()
        phase = "ready" if self.prometheus.is_ready else "starting"
        if self.prometheus.has_given_up:
            phase = "degraded"
        if self.phase in ("starting", "ready", "degraded") and phase != self.phase:
            self.phase = phase
            self.health.start_over()
            for part in ("heartbeat", "health"):
                self.loop.wake(part)
        return again if again is not None else HEARTBEAT_SECONDS

    def _reconfigure(self) -> float:
        self.prometheus.reconfigure()
        return float("inf")

    def _try_again(self) -> float:
        self.prometheus.try_again()
        self.loop.wake("prometheus")
        return float("inf")

    def _warned(self) -> float:
        """Take note of SIGUSR1; called once at the start, when there was none."""
        if self._warnings:
            self.allocation.warned()
        return float("inf")

    def _warn(self) -> None:
        self._warnings += 1
        self.loop.wake("warned")

    def _terminate(self) -> None:
        """End the loop. Slurm sends SIGTERM to all of a job at its limit: it comes again by the parent."""
        now = self.clock.monotonic()
        if now - self._terminated_at >= REPEATED_SECONDS:
            self.loop.stop()
        self._terminated_at = now

    def _tell(self) -> float:
        return 0.0 if self.targets.tell() else HEARTBEAT_SECONDS

    def _beat(self) -> float:
        holder = read_holder(self.session.lease)
        if holder is not None and holder != self.holder:  # None: the folder is away for a while
            # Held up for so long that another daemon took the session over: it is theirs now.
            self.superseded = True
            self.loop.remove("targets", "windows", "health", "tell", "heartbeat")
            self.loop.stop()
            return HEARTBEAT_SECONDS
        self.usage.note()
        self._publish_status()
        return HEARTBEAT_SECONDS

    def _publish_status(self) -> None:
        if self.superseded:
            return
        content = to_json({**self._status(), "updated_at": to_iso(self.clock.now())})
        publish(self.session.daemon_status, content, self.session.file_mode)

    def _status(self) -> dict[str, Any]:
        allocation, ends_at = self.allocation.allocation, self.allocation.ends_at
        return {
            "phase": self.phase,
            "host": self.holder.host,
            "pid": self.holder.pid,
            "version": __version__,
            "slurm_job_id": allocation.job_id if allocation else None,
            "restart_count": allocation.restart_count if allocation else 0,
            "slurm": allocation and {**allocation.as_json(), "signals_reach": self._is_signalled(allocation)},
            "prometheus": self.prometheus.status(),
            "watch": self.watch.mode if self.watch else None,
            "started_at": self.holder.since,
            "successor_job_id": self.handover.successor if self.handover else None,
            "allocation_ends_at": None if ends_at is None else to_iso(ends_at),
            "last_error": self.last_error or self.prometheus.last_error or self.loop.failure or None,
        }

    @staticmethod
    def _is_signalled(allocation: Allocation) -> bool:
        """Say whether a signal to the batch script reaches this daemon: it, or its parent, became that."""
        return allocation.batch_pid in (os.getpid(), os.getppid())

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Have SIGTERM and SIGINT end the loop; the second one cuts short what is still collected.

        SIGUSR1 says that the allocation ends soon; SIGHUP has a Prometheus that was given up tried again.
        """
        actions = {
            signal.SIGTERM: self._terminate,
            signal.SIGUSR1: self._warn,
            signal.SIGINT: self.loop.stop,
            signal.SIGHUP: lambda: self.loop.wake("again"),
        }
        before = {number: signal.getsignal(number) for number in actions}
        for number, act in actions.items():
            signal.signal(number, _calling(act))
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)


def _calling(act: Callable[[], None]) -> Callable[[int, FrameType | None], None]:
    return lambda _number, _frame: act()
