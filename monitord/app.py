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
from monitord.client.overview import daemon_status
from monitord.daemon.addresses import AddressCheck
from monitord.daemon.allocation import AllocationWatch
from monitord.daemon.credential_check import AccessCheck
from monitord.daemon.folder_work import FolderWork
from monitord.daemon.foundation import FOLDER_SECONDS, Foundation, build_foundation
from monitord.daemon.handover import Handover
from monitord.daemon.health import HealthPoll
from monitord.daemon.heartbeat import Heartbeat
from monitord.daemon.measure import Measurement
from monitord.daemon.parts import FolderPart, MainPart
from monitord.daemon.phase import Phase
from monitord.daemon.reading import TargetReader
from monitord.daemon.reload import Reload
from monitord.daemon.sampling import Sampling
from monitord.daemon.service_notify import ServiceNotify
from monitord.daemon.settling import Settling
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
from monitord.targets.names import Names
from monitord.targets.resolve import Place


@dataclass(frozen=True, slots=True)
class Daemon:
    """The parts that `run` needs; they hold all others."""

    base: Foundation
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
        base = build_foundation(session, holder, clock, settings, teardown)
        daemon = build(base, read_settings, teardown)
        base.log.info("daemon.started", host=holder.host, pid=holder.pid, version=__version__)
        try:
            with handled(_signal_actions(daemon)):
                base.loop.add(MainPart.SERVICE, daemon.heartbeat.pulse)
                base.loop.add(MainPart.STALLS, base.stalls.step)
                base.loop.add(MainPart.ALLOCATION, daemon.allocation.step)
                base.folder_thread.start(daemon.folder_work.begin, daemon.folder_work.finish)
                base.loop.run()
                daemon.shutdown.run()
        except HeldError as error:
            base.log.error("daemon.superseded", reason=str(error))
            daemon.supervision.abandon()
            raise
        except (MonitordError, OSError) as error:
            base.lifecycle.fail(error)
            base.log.error("daemon.failed", reason=str(error))
            raise
    return ExitCode.OK


def build(base: Foundation, read_settings: Callable[[], Settings], teardown: ExitStack) -> Daemon:
    """Make every part, in the order of the data's way. Nothing runs yet.

    The supervised Prometheus comes later, from `FolderWork`: preparing it takes long.
    """
    session, clock, settings = base.session, base.clock, base.settings
    earlier, slurm = daemon_status(session), SlurmRunner(pauses=())
    allocation = _build_allocation(base, slurm)
    handover = _build_handover(base, allocation, slurm, earlier) if settings.current.handover else None

    run_folder = make_run_folder(session)
    targets = _build_targets(base, allocation, slurm, RunFolder(run_folder.location))
    watched = {FolderPart.TARGETS: (session.targets, targets.folder)}

    known_outages = _restore_outages(session, earlier)
    prometheus = StatusBoard(known_outages.known, files_changed=base.waker(FolderPart.HEARTBEAT))
    supervision = Supervision(base.lifecycle)
    teardown.callback(supervision.close)
    health = HealthPoll(
        clock, targets, prometheus.connect, prometheus.is_ready, wake=base.waker(FolderPart.HEALTH)
    )

    sampling = Sampling(base.log, session)
    teardown.callback(sampling.close)
    usage = UsageLog(clock, prometheus, sampling)
    windows = _build_windows(base, targets, prometheus, supervision, sampling, usage)
    teardown.callback(windows.stop)
    watched[FolderPart.WINDOWS] = (session.windows, windows.folder)

    watching = Watching(watched, settings.current.watch.mode, base.log, base.folder_loop.wake)
    service = ServiceNotify.of(os.environ)
    heartbeat = Heartbeat(
        session, base.holder, clock, base.lifecycle, (base.loop, base.folder_loop), prometheus, allocation,
        handover, watching, usage, service, base.stalls,
    )  # fmt: skip
    reload = Reload(
        settings, read_settings, base.logs.reopen, base.log, service, base.lifecycle,
        retry=partial(base.loop.call_soon, supervision.retry), wake=base.waker(FolderPart.RELOAD),
    )  # fmt: skip
    base.lifecycle.observe(partial(_announce, base, service, health))
    shutdown = Shutdown(
        clock, settings, base.lifecycle, base.loop, base.folder_loop, base.stalls, allocation, handover,
        supervision, windows,
    )  # fmt: skip
    folder_work = FolderWork(
        base, targets, partial(_prepare_prometheus, base, run_folder, known_outages, targets, prometheus),
        supervision, health, windows, watching, handover, heartbeat, reload,
    )  # fmt: skip
    return Daemon(base, allocation, supervision, heartbeat, reload, folder_work, shutdown)


def _take(session: Session, clock: Clock, teardown: ExitStack) -> Holder:
    """Become the session's only daemon, until the teardown."""
    job_id = os.environ.get("SLURM_JOB_ID")
    holder = acquire(session.lease, socket.gethostname(), clock.now(), signs_of(session), job_id)
    teardown.callback(within, FOLDER_SECONDS, partial(release, session.lease, holder))
    if not session.exists():  # its settings were read just before it was deleted
        raise InvalidInputError(f"session {session.name} was deleted: {session.folder}")
    return holder


def _build_allocation(base: Foundation, slurm: SlurmRunner) -> AllocationWatch:
    margins = base.settings.current.allocation
    return AllocationWatch(
        read_allocation(os.environ), Margins(margins.warn_before, margins.close_before), base.clock, base.log,
        slurm.job, close=base.loop.stop, wake=base.waker(MainPart.ALLOCATION),
    )  # fmt: skip


def _build_handover(
    base: Foundation, watch: AllocationWatch, slurm: SlurmRunner, earlier: dict[str, Any]
) -> Handover | None:
    if watch.allocation is None:
        base.log.warning("handover.failed", reason="this is no Slurm job", consequence="nothing goes on")
        return None
    return Handover(
        base.session, watch.allocation.job_id, base.log,
        submit=lambda like, options: slurm.submit(
            Path(like.script), options, like.arguments, like.environment
        ),
        job=slurm.job, find=slurm.find, cancel=slurm.cancel, wake=base.waker(FolderPart.HANDOVER),
        known=earlier.get("successor_job_id"),
    )  # fmt: skip


def _build_targets(
    base: Foundation, watch: AllocationWatch, slurm: SlurmRunner, run_folder: RunFolder
) -> TargetReconciler:
    settings = base.settings.current
    place = Place(base.holder.host, under_slurm=watch.allocation is not None)
    addresses = AddressCheck(rules_of(settings.targets), Names(base.clock))
    access = AccessCheck(settings.watch.full_scan_interval)
    targets = TargetReconciler(
        base.session, TargetReader(base.session.name, place, addresses, access), settings, base.clock,
        base.log, EndedJobs(base.clock, base.log, slurm.jobs),
        wake=base.folder_loop.wake, run_folder=run_folder,
    )  # fmt: skip
    base.settings.follow(targets.apply_settings)
    return targets


def _restore_outages(session: Session, earlier: dict[str, Any]) -> OutageLog:
    last_well_at = (earlier.get("prometheus") or {}).get("last_well_at")
    return OutageLog(outages.restore(read_json(session.outages), last_well_at))


def _build_windows(
    base: Foundation, targets: TargetReconciler, prometheus: StatusBoard, supervision: Supervision,
    sampling: Sampling, usage: UsageLog,
) -> WindowReconciler:  # fmt: skip
    settings, wake = base.settings, base.waker(FolderPart.WINDOWS)
    measurement = Measurement(
        base.session, settings.current, prometheus.connect, lambda: targets.registry, sampling,
        prometheus.outages, usage.until_now, prometheus.data_folder,
        stalls=base.stalls.touching, term=base.holder.term,
    )  # fmt: skip
    settling = Settling(base.clock, measurement.last_scrapes, measurement.targets, wake)
    windows = WindowReconciler(
        base.session, settings.current, base.clock, base.log, settled=settling.is_settled,
        collect=measurement.measure, wake=wake, collected=supervision.save_window,
    )  # fmt: skip
    settings.follow(windows.apply_settings)
    settings.follow(lambda new: windows.collect_with(replace(measurement, settings=new).measure))
    settings.follow(lambda _: base.folder_loop.wake(FolderPart.TARGETS))
    return windows


def _announce(base: Foundation, service: ServiceNotify, health: HealthPoll, phase: Phase) -> None:
    """Have a new phase of the daemon known to whom it concerns."""
    service.report_phase(phase)
    base.loop.wake(MainPart.SERVICE)
    base.folder_loop.wake(FolderPart.HEARTBEAT)
    if phase.is_working:  # Prometheus may be another one than before
        base.folder_loop.call_soon(health.start_over)
        base.folder_loop.wake(FolderPart.HEALTH)


def _prepare_prometheus(
    base: Foundation, run_folder: Made, known_outages: OutageLog, targets: TargetReconciler,
    status: StatusBoard,
) -> SupervisedPrometheus:  # fmt: skip
    """Raises PrometheusError and InvalidInputError when it cannot be run as it is set."""
    settings = base.settings.current
    launch = prepare_launch(base.session, settings, base.clock.now(), run_folder)
    return SupervisedPrometheus(
        base.session, settings, base.clock, base.log, launch, known_outages, targets.credentials,
        wake=base.waker(MainPart.CHILDREN), post=status.post, keep_line=base.logs.prometheus.write,
    )  # fmt: skip


def _signal_actions(daemon: Daemon) -> dict[signal.Signals, Callable[[], None]]:
    """SIGTERM and SIGINT end the loop, the second one cuts short what is still collected.

    SIGUSR1 says that the allocation ends soon. SIGHUP requests a reload.
    """
    stop, clock = daemon.base.loop.stop, daemon.base.clock
    return {
        signal.SIGTERM: Debounced(stop, clock.monotonic),
        signal.SIGINT: stop,
        signal.SIGUSR1: daemon.allocation.warn,
        signal.SIGHUP: daemon.reload.request,
    }
