"""`monitord wait`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from monitord.cli._options import DURATION, session_option
from monitord.cli._output import progress, wait_for
from monitord.client.status import daemon_status, describe_problem, has_recent_heartbeat
from monitord.documents.durations import format_duration
from monitord.documents.timestamps import to_iso
from monitord.errors import ExitCode, InvalidInputError, NotReadyError, PrometheusError
from monitord.session.folder import Session, open_session
from monitord.session.lease import held_by, read_holder
from monitord.session.liveness import Watch
from monitord.system.atomic import read_json
from monitord.system.names import check_name

REFUSAL_SECONDS = 1.0

Check = Callable[[], tuple[bool, str]]
"""Returns whether what is waited for is so, and how things stand. Raises when it can never be so."""


@click.command("wait")
@session_option
@click.option("--for", "goal", required=True, metavar="ready|target=FILE|window=ID", help="What to wait for.")
@click.option(
    "--timeout", type=DURATION, default="60s", show_default=True, metavar="60s", help="For how long at most."
)
def command(session_name: str, root: Path, goal: str, timeout: float) -> int:
    """Wait until the daemon is ready, all endpoints of a target file are up, or a window is done.

    Exits with 3 when the time is over, with 1 when it can no longer come: the file was refused, the
    window failed or was cancelled, and with 6 when Prometheus was given up.

    \b
    Example:
      monitord wait --session bench01 --for ready
      monitord wait --session bench01 --for target=c1.yaml --timeout 30s
      monitord wait --session bench01 --for window=run01
    """
    session = open_session(root, session_name)
    await_goal(_check(session, goal), goal, timeout)
    return ExitCode.OK


def await_goal(check: Check, goal: str, timeout: float) -> None:
    """Wait until a check succeeds. Raises NotReadyError when the time is over."""
    last = ""

    def done() -> bool:
        nonlocal last
        so, last = check()
        return so

    if not wait_for(done, timeout, lambda: f"waiting for {goal}: {last}"):
        raise NotReadyError(f"{goal}: not so after {format_duration(timeout)}: {last}")


def ready_check(session: Session) -> Check:
    """Wait for a daemon whose Prometheus answers."""
    watch = Watch(session)

    def check() -> tuple[bool, str]:
        daemon, found = daemon_status(session), watch.look()
        runs = has_recent_heartbeat(session, time.time()) if found is None else found
        if daemon.get("phase") == "degraded" and runs:
            raise PrometheusError(daemon.get("last_error") or "Prometheus was given up")
        so = daemon.get("phase") == "ready" and runs
        return so, f"the daemon is {daemon.get('phase', 'not started')}{_details(daemon)}"

    return check


def lives(session: Session) -> bool:
    """Say whether a daemon runs the session, by its process or a heartbeat that changes, never by its age.

    One on another host is watched for some seconds.
    """
    watch = Watch(session)
    if (found := watch.look()) is not None:
        return found
    with progress() as shown:
        shown.show("watching the heartbeat of a daemon on another host")
        return watch.until_known()


def refuse_deletion(session: Session) -> None:
    """Raise HeldError where the session is being deleted: no daemon would start in it."""
    holder = read_holder(session.lease)
    if holder is not None and holder.deletes:
        raise held_by(holder)


def _details(daemon: dict[str, Any]) -> str:
    replay = (daemon.get("prometheus") or {}).get("replayed_segments")
    progress = f"{replay['done']} of {replay['all']} segments of its log replayed" if replay else ""
    details = [text for text in (progress, daemon.get("last_error")) if text]
    return f" ({'; '.join(details)})" if details else ""


def target_check(session: Session, file: str) -> Check:
    """Wait until the file is accepted and all its endpoints are up."""
    stands = _Standing()

    def check() -> tuple[bool, str]:
        status = read_json(session.target_status(file))
        modified_at = _modified_at(session.targets / file)
        if modified_at is None:
            return False, "no such file"
        if not isinstance(status, dict) or status.get("modified_at") != modified_at:
            return False, "not seen by the daemon yet"  # it may know an earlier version of the file
        if status["state"] == "refused":
            problems = "; ".join(describe_problem(error) for error in status["errors"])
            if stands(problems):
                raise InvalidInputError(f"{file} was refused: {problems}")
            return False, f"refused: {problems}"
        down = [endpoint for endpoint in status["endpoints"] if endpoint["health"] != "up"]
        so = status["state"] == "accepted" and not down
        return so, "; ".join(
            [status["state"], *(f"{e['url']} {e['health']} {e['last_error']}".strip() for e in down)]
        )

    return check


class _Standing:
    """Whether a refusal stands. One for a conflict may not: a file that was renamed is for a moment
    taken for two."""

    def __init__(self) -> None:
        self._problems = ""
        self._since = 0.0

    def __call__(self, problems: str) -> bool:
        if problems != self._problems:
            self._problems, self._since = problems, time.monotonic()
        return time.monotonic() - self._since >= REFUSAL_SECONDS


def _modified_at(file: Path) -> str | None:
    try:
        return to_iso(file.lstat().st_mtime_ns / 1e9)
    except OSError:
        return None


def window_check(
    session: Session, window_id: str, since: Callable[[dict[str, Any]], bool] = lambda _: True
) -> Check:
    """Wait until a window is done; `since` says whether a status is about the markers that are meant."""

    def check() -> tuple[bool, str]:
        status = read_json(session.window_status(window_id))
        if not isinstance(status, dict) or not since(status):
            return False, "not seen by the daemon yet"
        if status["state"] in ("failed", "cancelled"):
            raise InvalidInputError(f"window {window_id} {status['state']}: {status['reason']}")
        return status["state"] == "done", f"{status['state']} {status['reason'] or ''}".strip()

    return check


def _check(session: Session, goal: str) -> Check:
    kind, _, name = goal.partition("=")
    if goal == "ready":
        return ready_check(session)
    if kind == "target" and name:
        return target_check(session, Path(name).name)
    if kind == "window" and name:
        return window_check(session, check_name(name, "window"))
    raise click.BadParameter(f"{goal!r} is none of ready, target=FILE, window=ID", param_hint="--for")
