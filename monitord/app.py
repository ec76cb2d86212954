"""The daemon, put together: `build` makes its parts, `run` runs them, and `Shutdown` ends them.

Two loops call the parts. The main loop supervises Prometheus and answers signals, Slurm and systemd. All that
touches the session folder is done by the other loop, on its own thread: it stands still while that folder
hangs. What has to be done about a part at the end is registered for the teardown where the part is made.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from monitord import __version__
from monitord.client.status import daemon_status
from monitord.daemon.addresses import AddressCheck
from monitord.daemon.allocation import AllocationWatch
from monitord.daemon.collector import Collector
from monitord.daemon.credential_check import AccessCheck
from monitord.daemon.folder_work import FolderWork
from monitord.daemon.handover import Handover
from monitord.daemon.health import HealthPoll
from monitord.daemon.heartbeat import Heartbeat
from monitord.daemon.measure import Measurement
from monitord.daemon.parts import FolderPart, MainPart
from monitord.daemon.phase import Phase
from monitord.daemon.reading import TargetReader
from monitord.daemon.reload import Reload
from monitord.daemon.service_notify import ServiceNotify
from monitord.daemon.settling import Settling
from monitord.daemon.shared import FOLDER_SECONDS, Shared, build_shared
from monitord.daemon.shutdown import Shutdown
from monitord.daemon.signals import Debounced, handled
from monitord.daemon.supervision import Supervision
from monitord.daemon.targets import TargetReconciler
from monitord.daemon.usage import UsageLog
from monitord.daemon.watching import Watching
from monitord.daemon.windows import WindowReconciler
from monitord.errors import ExitCode, InvalidInputError, MonitordError
from monitord.prometheus.child import outages
from monitord.prometheus.child.launch import prepare_launch
from monitord.prometheus.child.outage_log import OutageLog
from monitord.prometheus.child.status import StatusBoard
from monitord.prometheus.child.supervised import SupervisedPrometheus
from monitord.prometheus.config.run_folder import RunFolder
from monitord.prometheus.data.data_folders import Made, make_run_folder
from monitord.session.folder import Session
from monitord.session.lease import HeldError, Holder, acquire, release
from monitord.session.settings import Settings
from monitord.session.takeover import signs_of
from monitord.slurm.allocation import Margins, read_allocation
from monitord.slurm.ended import EndedJobs
from monitord.slurm.runner import SlurmRunner
from monitord.system.atomic import read_json
from monitord.system.background import within
from monitord.system.clock import Clock, SystemClock
from monitord.targets.admission import rules_of
from monitord.targets.host_lookup import HostLookup
from monitord.targets.resolve import Place


@dataclass(frozen=True, slots=True)
class Daemon:
    """The parts that `run` needs; they hold all others."""

    shared: Shared
    allocation: AllocationWatch
    supervision: Supervision
    heartbeat: Heartbeat
    reload: Reload
    folder_work: FolderWork
    shutdown: Shutdown


def run(session: Session, read_settings: Callable[[], Settings]) -> int:
    """Run a session's daemon until it is asked to stop; return the exit code.

    `read_settings` is called again when a reload is requested. Raises InvalidInputError as it does,
    HeldError when another daemon runs this session, PrometheusError when there is no Prometheus that could
    be run, and OSError or PassingError when something is full, away or too slow.
    """
    clock, settings = SystemClock(), read_settings()
    with ExitStack() as teardown:
        holder = _take(session, clock, teardown)
        shared = build_shared(session, holder, clock, settings, teardown)
        daemon = build(shared, read_settings, teardown)
        shared.log.info("daemon.started", host=holder.host, pid=holder.pid, version=__version__)
        try:
            with handled(_signal_actions(daemon)):
                shared.loop.add(MainPart.SERVICE, daemon.heartbeat.pulse)
                shared.loop.add(MainPart.STALLS, shared.stalls.step)
                shared.loop.add(MainPart.ALLOCATION, daemon.allocation.step)
                shared.folder_thread.start(daemon.folder_work.begin, daemon.folder_work.finish)
                shared.loop.run()
                daemon.shutdown.run()
        except HeldError as error:
            shared.log.error("daemon.superseded", reason=str(error))
            daemon.supervision.abandon()
            raise
        except (MonitordError, OSError) as error:
            shared.lifecycle.fail(error)
            shared.log.error("daemon.failed", reason=str(error))
            raise
    return ExitCode.OK


def build(shared: Shared, read_settings: Callable[[], Settings], teardown: ExitStack) -> Daemon:
    """Make every part, in the order of the data's way. Nothing runs yet.

    The supervised Prometheus comes later, from `FolderWork`: preparing it takes long.
    """
    session, clock, settings = shared.session, shared.clock, shared.settings
    earlier, slurm = daemon_status(session), SlurmRunner(pauses=())
    allocation = _build_allocation(shared, slurm)
    handover = _build_handover(shared, allocation, slurm, earlier) if settings.current.handover else None

    run_folder = make_run_folder(session)
    targets = _build_targets(shared, allocation, slurm, RunFolder(run_folder.location))
    watched = {FolderPart.TARGETS: (session.targets, targets.folder)}

    known_outages = _restore_outages(session, earlier)
    prometheus = StatusBoard(known_outages.known, files_changed=shared.waker(FolderPart.HEARTBEAT))
    supervision = Supervision(shared.lifecycle)
    teardown.callback(supervision.close)
    health = HealthPoll(
        clock, targets, prometheus.connect, prometheus.is_ready, wake=shared.waker(FolderPart.HEALTH)
    )

    collector = Collector(shared.log, session)
    teardown.callback(collector.close)
    usage = UsageLog(clock, prometheus, collector)
    windows = _build_windows(shared, targets, prometheus, supervision, collector, usage)
    teardown.callback(windows.stop)
    watched[FolderPart.WINDOWS] = (session.windows, windows.folder)

    watching = Watching(watched, settings.current.watch.mode, shared.log, shared.folder_loop.wake)
    service = ServiceNotify.of(os.environ)
    heartbeat = Heartbeat(
        session, shared.holder, clock, shared.lifecycle, (shared.loop, shared.folder_loop), prometheus,
        allocation, handover, watching, usage, service, shared.stalls,
    )  # fmt: skip
    reload = Reload(
        settings, read_settings, shared.logs.reopen, shared.log, service, shared.lifecycle,
        retry=partial(shared.loop.call_soon, supervision.retry), wake=shared.waker(FolderPart.RELOAD),
    )  # fmt: skip
    shared.lifecycle.observe(partial(_announce, shared, service, health))
    shutdown = Shutdown(
        clock, settings, shared.lifecycle, shared.loop, shared.folder_loop, shared.stalls, allocation,
        handover, supervision, windows,
    )  # fmt: skip
    folder_work = FolderWork(
        shared, targets, partial(_prepare_prometheus, shared, run_folder, known_outages, targets, prometheus),
        supervision, health, windows, watching, handover, heartbeat, reload,
    )  # fmt: skip
    return Daemon(shared, allocation, supervision, heartbeat, reload, folder_work, shutdown)


def _take(session: Session, clock: Clock, teardown: ExitStack) -> Holder:
    """Become the session's only daemon, until the teardown."""
    job_id = os.environ.get("SLURM_JOB_ID")
    holder = acquire(session.lease, socket.gethostname(), clock.now(), signs_of(session), job_id)
    teardown.callback(within, FOLDER_SECONDS, partial(release, session.lease, holder))
    if not session.exists():  # its settings were read just before it was deleted
        raise InvalidInputError(f"session {session.name} was deleted: {session.folder}")
    return holder


def _build_allocation(shared: Shared, slurm: SlurmRunner) -> AllocationWatch:
    wanted = shared.settings.current.allocation
    margins = Margins(wanted.warn_before, wanted.close_before)
    return AllocationWatch(
        read_allocation(os.environ), margins, shared.clock, shared.log, slurm.job,
        close=shared.loop.stop, wake=shared.waker(MainPart.ALLOCATION),
    )  # fmt: skip


def _build_handover(
    shared: Shared, watch: AllocationWatch, slurm: SlurmRunner, earlier: dict[str, Any]
) -> Handover | None:
    if watch.allocation is None:
        shared.log.warning("handover.failed", reason="this is no Slurm job", consequence="nothing goes on")
        return None
    return Handover(
        shared.session, watch.allocation.job_id, shared.log,
        submit=lambda like, options: slurm.submit(
            Path(like.script), options, like.arguments, like.environment
        ),
        job=slurm.job, find=slurm.find, cancel=slurm.cancel, wake=shared.waker(FolderPart.HANDOVER),
        known=earlier.get("successor_job_id"),
    )  # fmt: skip


def _build_targets(
    shared: Shared, watch: AllocationWatch, slurm: SlurmRunner, run_folder: RunFolder
) -> TargetReconciler:
    settings = shared.settings.current
    place = Place(shared.holder.host, under_slurm=watch.allocation is not None)
    addresses = AddressCheck(rules_of(settings.targets), HostLookup(shared.clock))
    access = AccessCheck(settings.watch.full_scan_interval)
    targets = TargetReconciler(
        shared.session, TargetReader(shared.session.name, place, addresses, access), settings, shared.clock,
        shared.log, EndedJobs(shared.clock, shared.log, slurm.jobs),
        wake=shared.folder_loop.wake, run_folder=run_folder,
    )  # fmt: skip
    shared.settings.follow(targets.apply_settings)
    return targets


def _restore_outages(session: Session, earlier: dict[str, Any]) -> OutageLog:
    last_well_at = (earlier.get("prometheus") or {}).get("last_well_at")
    return OutageLog(outages.restore(read_json(session.outages), last_well_at))


def _build_windows(
    shared: Shared, targets: TargetReconciler, prometheus: StatusBoard, supervision: Supervision,
    collector: Collector, usage: UsageLog,
) -> WindowReconciler:  # fmt: skip
    settings, wake = shared.settings, shared.waker(FolderPart.WINDOWS)
    measurement = Measurement(
        shared.session, settings.current, prometheus.connect, lambda: targets.registry, collector,
        prometheus.outages, usage.until_now, prometheus.data_folder,
        stalls=shared.stalls.touching, term=shared.holder.term,
    )  # fmt: skip
    settling = Settling(shared.clock, measurement.last_scrapes, measurement.targets, wake)
    windows = WindowReconciler(
        shared.session, settings.current, shared.clock, shared.log, settled=settling.is_settled,
        collect=measurement.measure, wake=wake, collected=supervision.save_window,
    )  # fmt: skip
    settings.follow(windows.apply_settings)
    settings.follow(lambda new: windows.collect_with(replace(measurement, settings=new).measure))
    settings.follow(lambda _: shared.folder_loop.wake(FolderPart.TARGETS))
    return windows


def _announce(shared: Shared, service: ServiceNotify, health: HealthPoll, phase: Phase) -> None:
    """Have a new phase of the daemon known to whom it concerns."""
    service.report_phase(phase)
    shared.loop.wake(MainPart.SERVICE)
    shared.folder_loop.wake(FolderPart.HEARTBEAT)
    if phase.is_working:  # Prometheus may be another one than before
        shared.folder_loop.call_soon(health.start_over)
        shared.folder_loop.wake(FolderPart.HEALTH)


def _prepare_prometheus(
    shared: Shared, run_folder: Made, known_outages: OutageLog, targets: TargetReconciler,
    status: StatusBoard,
) -> SupervisedPrometheus:  # fmt: skip
    """Raises PrometheusError and InvalidInputError when it cannot be run as it is set."""
    settings = shared.settings.current
    launch = prepare_launch(shared.session, settings, shared.clock.now(), run_folder)
    return SupervisedPrometheus(
        shared.session, settings, shared.clock, shared.log, launch, known_outages, targets.credentials,
        wake=shared.waker(MainPart.CHILDREN), post=status.post, keep_line=shared.logs.prometheus.write,
    )  # fmt: skip


def _signal_actions(daemon: Daemon) -> dict[signal.Signals, Callable[[], None]]:
    """SIGTERM and SIGINT end the loop, the second one cuts short what is still collected.

    SIGUSR1 says that the allocation ends soon. SIGHUP requests a reload.
    """
    stop, clock = daemon.shared.loop.stop, daemon.shared.clock
    return {
        signal.SIGTERM: Debounced(stop, clock.monotonic),
        signal.SIGINT: stop,
        signal.SIGUSR1: daemon.allocation.warn,
        signal.SIGHUP: daemon.reload.request,
    }
