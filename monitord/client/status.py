"""The only reader of what a session's daemon publishes in `status/`.

Published documents are returned as the mappings that they are, for their keys are what users rely on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.errors import Problem
from monitord.session.folder import Session
from monitord.session.lease import HEARTBEAT_SECONDS, daemon_holder, is_alive
from monitord.system.atomic import read_json
from monitord.system.listing import paths_in
from monitord.system.timestamps import from_iso

# Where only what is shown depends on it, a heartbeat of another host counts as recent for this long.
PATIENCE_SECONDS = 4 * HEARTBEAT_SECONDS


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """All that `monitord status` shows.

    `daemon` is the published status with two more keys, `running` and the present `phase`, and where
    the daemon no longer publishes anything, `silent_since`.
    """

    session: str
    folder: Path
    daemon: Mapping[str, Any]
    targets: tuple[Mapping[str, Any], ...]
    windows: tuple[Mapping[str, Any], ...]
    time_left_seconds: float | None
    jobs: tuple[Mapping[str, Any], ...]

    @property
    def prometheus(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.daemon.get("prometheus")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return what `monitord status -o json` prints."""
        return {
            "session": self.session,
            "folder": str(self.folder),
            "daemon": dict(self.daemon),
            "prometheus": self.prometheus,
            "targets": list(self.targets),
            "windows": list(self.windows),
            "time_left_seconds": self.time_left_seconds,
            "jobs": list(self.jobs),
        }


@dataclass(frozen=True, slots=True)
class DaemonState:
    """Whether a daemon runs a session, and what was published last in `status/daemon.json`."""

    running: bool
    status: Mapping[str, Any]


def read_status(session: Session, now: float, pause: Callable[[float], None] = time.sleep) -> SessionStatus:
    """Return a session's status. A daemon on another host may have to be watched for some seconds."""
    state = read_daemon(session, now, pause)
    running, daemon = state.running, state.status
    ends_at = daemon.get("allocation_ends_at")
    return SessionStatus(
        session.name,
        session.folder,
        {**daemon, "running": running, **_phase(session, daemon, running, now)},
        tuple(target_statuses(session)),
        tuple(window_statuses(session)),
        None if ends_at is None else max(from_iso(ends_at) - now, 0.0),
        _jobs(session, daemon),
    )


def daemon_status(session: Session) -> dict[str, Any]:
    """Return `status/daemon.json`; empty before a daemon first ran."""
    return _read(session.daemon_status) or {}


def target_status(session: Session, file: str) -> dict[str, Any] | None:
    """Return the status of a target file by its name; None before the daemon has seen it."""
    return _read(session.target_status(file))


def window_status(session: Session, window_id: str) -> dict[str, Any] | None:
    """Return the status of a window; None before the daemon has seen it."""
    return _read(session.window_status(window_id))


def target_statuses(session: Session) -> list[dict[str, Any]]:
    """Return the status of every target file."""
    return [
        status
        for path in paths_in(session.target_statuses, suffix=".json", missing_ok=True)
        if (status := _read(path)) is not None
    ]


def window_statuses(session: Session) -> list[dict[str, Any]]:
    """Return the status of every window, with its name as `id`."""
    return [
        {"id": path.name.removesuffix(".json"), **status}
        for path in paths_in(session.window_statuses, suffix=".json", missing_ok=True)
        if (status := _read(path)) is not None
    ]


def read_daemon(session: Session, now: float, pause: Callable[[float], None] = time.sleep) -> DaemonState:
    """Return whether a daemon runs this session: its process on this host, its heartbeat on another.

    A heartbeat that looks old is watched for some seconds: the other host's clock may be wrong.
    """
    daemon, alive = daemon_status(session), is_alive(daemon_holder(session.lease))
    if alive is not None or has_recent_heartbeat(daemon, now):
        return DaemonState(alive is not False, daemon)
    from monitord.session.liveness import Watch

    return DaemonState(Watch(session).until_known(pause), daemon_status(session))


def is_running(session: Session, now: float, pause: Callable[[float], None] = time.sleep) -> bool:
    """Return whether a daemon runs this session."""
    return read_daemon(session, now, pause).running


def is_ready(session: Session, now: float) -> bool:
    """Return whether a daemon runs this session and its Prometheus answers."""
    state = read_daemon(session, now)
    return state.running and state.status.get("phase") == "ready"


def has_recent_heartbeat(daemon: Mapping[str, Any], now: float) -> bool:
    """Return whether a heartbeat is recent, as far as the clocks of two machines agree."""
    updated_at = daemon.get("updated_at")
    return updated_at is not None and abs(now - from_iso(updated_at)) < PATIENCE_SECONDS


def describe_problem(error: Mapping[str, Any]) -> str:
    """Write an entry of a status's `errors` as `line:column: field: message`."""
    return str(Problem(error["line"], error["column"], error["field"], error["message"]))


def _read(path: Path) -> dict[str, Any] | None:
    status = read_json(path)
    return status if isinstance(status, dict) else None


def _phase(session: Session, daemon: Mapping[str, Any], running: bool, now: float) -> dict[str, Any]:
    """Return the phase, and since when a daemon that has not reported its end has published nothing.

    A `dead` daemon has ended without reporting it. A `silent` one may have ended, or its host's file
    system hangs: another host cannot tell the two apart.
    """
    phase = str(daemon.get("phase", "never started"))
    if phase in ("never started", "stopped", "failed") or "updated_at" not in daemon:
        return {"phase": phase}
    if running:
        return {"phase": phase} if has_recent_heartbeat(daemon, now) else _silent(daemon, phase)
    holder = daemon_holder(session.lease)
    is_elsewhere = holder is not None and holder.host != os.uname().nodename
    return _silent(daemon, "silent" if is_elsewhere else "dead")


def _silent(daemon: Mapping[str, Any], phase: str) -> dict[str, Any]:
    return {"phase": phase, "silent_since": daemon["updated_at"]}


def _jobs(session: Session, daemon: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    if not session.submission.exists() and not daemon.get("slurm_job_id"):
        return ()  # a session without Slurm jobs loads nothing of Slurm
    from monitord.client.jobs import jobs_status

    return jobs_status(session, daemon)
