"""What a session is like right now, read from the files its daemon publishes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from monitord.documents.timestamps import from_iso
from monitord.errors import Problem
from monitord.session.folder import Session
from monitord.session.lease import HEARTBEAT_SECONDS
from monitord.session.liveness import Watch, daemon_holder
from monitord.system.atomic import read_json
from monitord.system.listing import paths_in

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
        "daemon": {**daemon, "running": running, **_phase(session, daemon, running, now)},
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


def _phase(session: Session, daemon: dict[str, Any], running: bool, now: float) -> dict[str, Any]:
    """Return the phase, and since when nothing was published by a daemon that has not said that it ends.

    `dead` has ended without saying so; `silent` may have, or its host's file system hangs: from another
    host nobody can tell.
    """
    phase = str(daemon.get("phase", "never started"))
    if phase in ("never started", "stopped", "failed") or "updated_at" not in daemon:
        return {"phase": phase}
    if running:
        return {"phase": phase} if has_recent_heartbeat(session, now) else _silent(daemon, phase)
    holder = daemon_holder(session)
    is_elsewhere = holder is not None and holder.host != os.uname().nodename
    return _silent(daemon, "silent" if is_elsewhere else "dead")


def _silent(daemon: dict[str, Any], phase: str) -> dict[str, Any]:
    return {"phase": phase, "silent_since": daemon["updated_at"]}
