"""What a session is like right now, read from the files its daemon publishes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from monitord.atomic import read_json
from monitord.clock import from_iso
from monitord.errors import Problem
from monitord.lease import HEARTBEAT_SECONDS
from monitord.listing import paths_in
from monitord.liveness import Watch
from monitord.session import Session

# Where only words depend on it, a heartbeat of another host is believed while it is no further from now.
PATIENCE_SECONDS = 4 * HEARTBEAT_SECONDS


def daemon_status(session: Session) -> dict[str, Any]:
    """Return `status/daemon.json`; empty before a daemon first ran."""
    status = read_json(session.daemon_status)
    return status if isinstance(status, dict) else {}


def is_running(session: Session, now: float, pause: Callable[[float], None] = time.sleep) -> bool:
    """Say whether a daemon runs this session: its process on this host, its heartbeat on another.

    A heartbeat that looks old is watched for some seconds: the other host's clock may be wrong.
    """
    watch = Watch(session)
    found = watch.look()
    if found is None:
        return has_recent_heartbeat(session, now) or watch.until_known(pause)
    return found


def is_ready(session: Session, now: float) -> bool:
    """Say whether a daemon runs this session and its Prometheus answers."""
    return daemon_status(session).get("phase") == "ready" and is_running(session, now)


def has_recent_heartbeat(session: Session, now: float) -> bool:
    """Say whether a heartbeat is of now, as far as two machines' clocks agree."""
    updated_at = daemon_status(session).get("updated_at")
    return updated_at is not None and abs(now - from_iso(updated_at)) < PATIENCE_SECONDS


def overview(session: Session, now: float, pause: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Return everything `monitord status` shows, ready to be printed as JSON."""
    daemon = daemon_status(session)
    ends_at = daemon.get("allocation_ends_at")
    running = is_running(session, now, pause)
    return {
        "session": session.name,
        "folder": str(session.folder),
        "daemon": {**daemon, "running": running, "phase": _phase(daemon, running)},
        "prometheus": daemon.get("prometheus"),
        "targets": target_statuses(session),
        "windows": window_statuses(session),
        "time_left_seconds": None if ends_at is None else max(from_iso(ends_at) - now, 0.0),
    }


def target_statuses(session: Session) -> list[dict[str, Any]]:
    """Return the status of every target file."""
    return [
        status
        for path in paths_in(session.target_statuses, suffix=".json", missing_ok=True)
        if isinstance(status := read_json(path), dict)
    ]


def window_statuses(session: Session) -> list[dict[str, Any]]:
    """Return the status of every window, with its name as `id`."""
    return [
        {"id": path.name.removesuffix(".json"), **status}
        for path in paths_in(session.window_statuses, suffix=".json", missing_ok=True)
        if isinstance(status := read_json(path), dict)
    ]


def describe_problem(error: dict[str, Any]) -> str:
    """Write an entry of a status's `errors` as `line:column: field: message`."""
    return str(Problem(error["line"], error["column"], error["field"], error["message"]))


def _phase(daemon: dict[str, Any], running: bool) -> str:
    phase = str(daemon.get("phase", "never started"))
    if not running and phase not in ("never started", "stopped", "failed"):
        return "dead"  # it ended without saying so
    return phase
