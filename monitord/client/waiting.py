"""Waiting for a session: for its daemon, a target file or a window, with any clock and any display.

`wait_for` asks a `Check` until it is done. A check raises when what is awaited can no longer happen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.client.status import (
    daemon_status,
    describe_problem,
    has_recent_heartbeat,
    target_status,
    window_status,
)
from monitord.errors import InvalidInputError, NotReadyError, PrometheusError
from monitord.session.folder import Session
from monitord.session.lease import held_by, read_holder
from monitord.session.liveness import Watch
from monitord.system.names import check_name
from monitord.system.timestamps import to_iso

POLL_SECONDS = 0.1
REFUSAL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """Whether what is awaited has happened, and the present state in words."""

    done: bool
    state: str


Check = Callable[[], Progress]
Show = Callable[[str], None]
"""Displays what is being waited for; called with every poll."""


def show_nothing(_text: str) -> None:
    """Display nothing: for callers without a terminal."""


def wait_until(
    done: Callable[[], bool],
    timeout: float,
    show: Callable[[], None] = lambda: None,
    *,
    pause: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> bool:
    """Poll until `done`; return False after `timeout` seconds."""
    deadline = monotonic() + timeout
    while not done():
        left = deadline - monotonic()
        if left <= 0:
            return False
        show()
        pause(min(POLL_SECONDS, left))
    return True


def wait_for(
    check: Check,
    goal: str,
    timeout: float,
    show: Show = show_nothing,
    *,
    pause: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Poll a check until it is done. Raises NotReadyError after `timeout` seconds.

    `goal` names what is awaited in the error and in what is shown.
    """
    last = ""

    def done() -> bool:
        nonlocal last
        progress = check()
        last = progress.state
        return progress.done

    if not wait_until(
        done, timeout, lambda: show(f"waiting for {goal}: {last}"), pause=pause, monotonic=monotonic
    ):
        from monitord.documents.durations import format_duration

        raise NotReadyError(f"{goal}: timed out after {format_duration(timeout)}: {last}")


def check_for(session: Session, goal: str) -> Check:
    """Return the check that a goal names: `ready`, `target=FILE` or `window=ID`.

    Raises ValueError for any other text.
    """
    kind, _, name = goal.partition("=")
    if goal == "ready":
        return ready_check(session)
    if kind == "target" and name:
        return target_check(session, Path(name).name)
    if kind == "window" and name:
        return window_check(session, check_name(name, "window"))
    raise ValueError(f"{goal!r} is none of ready, target=FILE, window=ID")


def ready_check(session: Session, *, now: Callable[[], float] = time.time) -> Check:
    """Return a check for a running daemon whose Prometheus answers.

    It raises PrometheusError when the daemon has given Prometheus up.
    """
    watch = Watch(session)

    def check() -> Progress:
        daemon, found = daemon_status(session), watch.look()
        is_running = has_recent_heartbeat(daemon, now()) if found is None else found
        if daemon.get("phase") == "degraded" and is_running:
            raise PrometheusError(daemon.get("last_error") or "the daemon no longer restarts Prometheus")
        phase = daemon.get("phase")
        state = f"the daemon is {phase}" if phase else "the daemon has not started"
        return Progress(phase == "ready" and is_running, state + _details(daemon))

    return check


def target_check(session: Session, file: str, *, monotonic: Callable[[], float] = time.monotonic) -> Check:
    """Return a check for a target file that is accepted and whose endpoints are all up.

    It raises InvalidInputError when the file stays refused.
    """
    refusal = _LastingRefusal(monotonic)

    def check() -> Progress:
        status = target_status(session, file)
        modified_at = _modified_at(session.targets / file)
        if modified_at is None:
            return Progress(done=False, state=f"no such file in {session.targets}")
        if status is None or status.get("modified_at") != modified_at:
            # The daemon may know an earlier version of the file.
            return Progress(done=False, state="not seen by the daemon yet")
        if status["state"] == "refused":
            problems = "; ".join(describe_problem(error) for error in status["errors"])
            if refusal.lasts(problems):
                raise InvalidInputError(f"{file} was refused: {problems}")
            return Progress(done=False, state=f"refused: {problems}")
        down = [endpoint for endpoint in status["endpoints"] if endpoint["health"] != "up"]
        states = [f"{e['url']} {e['health']} {e['last_error']}".strip() for e in down]
        return Progress(status["state"] == "accepted" and not down, "; ".join([status["state"], *states]))

    return check


def window_check(
    session: Session, window_id: str, answers: Callable[[Mapping[str, Any]], bool] = lambda _: True
) -> Check:
    """Return a check for a window that is done.

    `answers` returns whether a status is about the markers that the caller wrote. The check raises
    InvalidInputError when the window failed or was cancelled.
    """

    def check() -> Progress:
        status = window_status(session, window_id)
        if status is None or not answers(status):
            return Progress(done=False, state="not seen by the daemon yet")
        if status["state"] in ("failed", "cancelled"):
            raise InvalidInputError(f"window {window_id} {status['state']}: {status['reason']}")
        return Progress(status["state"] == "done", f"{status['state']} {status['reason'] or ''}".strip())

    return check


def has_daemon(
    session: Session, show: Show = show_nothing, pause: Callable[[float], None] = time.sleep
) -> bool:
    """Return whether a daemon runs the session: by its process, or by a heartbeat that changes.

    The age of a heartbeat proves nothing. That of a daemon on another host is watched for some seconds.
    """
    watch = Watch(session)
    if (found := watch.look()) is not None:
        return found
    show("watching the heartbeat of a daemon on another host")
    return watch.until_known(pause)


def refuse_deletion(session: Session) -> None:
    """Raise HeldError while the session is being deleted: no daemon would start in it."""
    holder = read_holder(session.lease)
    if holder is not None and holder.deletes:
        raise held_by(holder)


class _LastingRefusal:
    """Whether a refusal lasts. A conflict may not: for a moment a renamed file looks like two files."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._problems = ""
        self._since = 0.0

    def lasts(self, problems: str) -> bool:
        if problems != self._problems:
            self._problems, self._since = problems, self._monotonic()
        return self._monotonic() - self._since >= REFUSAL_SECONDS


def _details(daemon: Mapping[str, Any]) -> str:
    replay = (daemon.get("prometheus") or {}).get("replayed_segments")
    replayed = f"{replay['done']} of {replay['all']} WAL segments replayed" if replay else ""
    details = [text for text in (replayed, daemon.get("last_error")) if text]
    return f" ({'; '.join(details)})" if details else ""


def _modified_at(file: Path) -> str | None:
    try:
        return to_iso(file.lstat().st_mtime_ns / 1e9)
    except OSError:
        return None
