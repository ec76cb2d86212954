"""`monitord window`: the markers of measurement windows."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from monitord.cli._options import DURATION, label_option, output_option, session_option
from monitord.cli._output import print_json, print_table, say
from monitord.cli._slo import check_slo, refuse_breach, refuse_undecided, slo_option, tell_slo
from monitord.cli.markers import marker_content
from monitord.cli.wait import await_goal, window_check
from monitord.client.status import window_statuses
from monitord.errors import ExitCode, InvalidInputError, MonitordError
from monitord.session.folder import Session, open_session
from monitord.system.atomic import publish, read_json
from monitord.system.names import check_name

_id_option = click.option("--id", "window_id", required=True, metavar="ID", help="The window's name.")


@click.group("window")
def command() -> None:
    """Open, close and list measurement windows.

    \b
    Example:
      monitord window run --session bench01 --id run01 -- srun ./benchmark
    """


@command.command("start")
@session_option
@_id_option
@label_option
@slo_option
def start(
    session_name: str,
    root: Path,
    window_id: str,
    labels: tuple[tuple[str, str], ...],
    slo: tuple[str, ...],
) -> int:
    """Open a window: touch its start marker, and print the marker's path.

    \b
    Example:
      monitord window start --session bench01 --id run01 --label batch=32
    """
    session = open_session(root, session_name)
    _refuse_if_open(session, window_id)
    check_slo(session, slo)
    say(_touch(session, window_id, "start", _says(labels, slo)))
    return ExitCode.OK


@command.command("stop")
@session_option
@_id_option
def stop(session_name: str, root: Path, window_id: str) -> int:
    """Close a window, which has it collected: touch its stop marker, and print the marker's path.

    \b
    Example:
      monitord window stop --session bench01 --id run01
      monitord wait --session bench01 --for window=run01
    """
    session = open_session(root, session_name)
    _require_started(session, window_id)
    say(_touch(session, window_id, "stop"))
    return ExitCode.OK


@command.command("cancel")
@session_option
@_id_option
def cancel(session_name: str, root: Path, window_id: str) -> int:
    """End an open window with nothing collected: touch its cancel marker, and print the marker's path.

    \b
    Example:
      monitord window cancel --session bench01 --id run01
    """
    session = open_session(root, session_name)
    _require_started(session, window_id)
    say(_touch(session, window_id, "cancel"))
    return ExitCode.OK


@command.command("list")
@session_option
@output_option
def list_windows(session_name: str, root: Path, output: str) -> int:
    """List the windows of a session.

    \b
    Example:
      monitord window list --session bench01 -o json
    """
    windows = window_statuses(open_session(root, session_name))
    if output == "json":
        print_json(windows)
    else:
        columns = ("WINDOW", "STATE", "FROM", "TO", "ARTIFACTS", "REASON")
        keys = ("id", "state", "from", "to", "artifacts", "reason")
        print_table(columns, [tuple(window.get(key) or "" for key in keys) for window in windows])
    return ExitCode.OK


@command.command("run", context_settings={"ignore_unknown_options": True})
@session_option
@_id_option
@label_option
@slo_option
@click.option("--timeout", type=DURATION, default="120s", show_default=True, metavar="120s",
              help="How long to wait for the results once the command has ended.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Do not wait for the results.")
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
def run(
    session_name: str,
    root: Path,
    window_id: str,
    labels: tuple[tuple[str, str], ...],
    slo: tuple[str, ...],
    timeout: float,
    no_wait: bool,
    arguments: tuple[str, ...],
) -> int:
    """Run a command inside a window, and exit with the command's own exit code.

    The results are waited for, and their folder is printed; monitoring that fails says so on
    standard error and never fails the command.

    With SLO conditions, from --slo or a recipe, a command that ended with 0 exits with 4 when one was
    breached and with 5 when one could not be decided, and with --slo results that do not come are an
    error too. Any other code of the command's own wins.

    \b
    Example:
      monitord window run --session bench01 --id run01 -- srun ./benchmark --size 32
      monitord window run --session bench01 --id run02 --slo 'latency.p99 < 250 ms' -- ./benchmark
    """
    from monitord.system.children import run_attached

    session = open_session(root, session_name)
    _refuse_if_open(session, window_id)
    if slo and no_wait:
        raise click.UsageError("--slo needs the results; leave --no-wait out")
    check_slo(session, slo)
    _touch(session, window_id, "start", _says(labels, slo))
    try:
        code = run_attached(arguments)
    finally:
        stopped = _touch(session, window_id, "stop").stat().st_mtime_ns
    if no_wait:
        return code
    name = f"{window_id}.stop"
    try:
        check = window_check(
            session, window_id, lambda status: (status.get("markers") or {}).get(name) == stopped
        )
        await_goal(check, f"window {window_id}", timeout)
        manifest = _result(session, window_id)
    except MonitordError as error:
        if slo and code == ExitCode.OK:
            raise
        say(f"monitord: {error}", err=True)
        return code
    tell_slo(manifest)
    if code == ExitCode.OK:
        refuse_breach(manifest)
        refuse_undecided(manifest)
    return code


def _result(session: Session, window_id: str) -> dict[str, Any]:
    """Print the folder of a window's results, and return its manifest."""
    status: Any = read_json(session.window_status(window_id))
    say(status["artifacts"], err=True)
    manifest: Any = read_json(Path(status["artifacts"]) / "MANIFEST.json")
    if not isinstance(manifest, dict):
        raise InvalidInputError(
            f"{status['artifacts']} has no MANIFEST.json; collect window {window_id} again"
        )
    return manifest


def _says(labels: tuple[tuple[str, str], ...], slo: tuple[str, ...]) -> dict[str, Any]:
    """Return what a start marker is to hold."""
    return {key: value for key, value in (("labels", dict(labels)), ("slo", list(slo))) if value}


def _touch(
    session: Session, window_id: str, kind: str, says: Mapping[str, Any] = MappingProxyType({})
) -> Path:
    """Write a marker anew, so that its time is now, and return its path."""
    marker = session.windows / f"{check_name(window_id, 'window')}.{kind}"
    content = marker_content(kind, says)
    try:
        publish(marker, content, session.file_mode, rewrite=True)
    except OSError as error:
        raise InvalidInputError(f"cannot write {marker}: {error.strerror}") from error
    return marker


def _require_started(session: Session, window_id: str) -> None:
    marker = session.windows / f"{check_name(window_id, 'window')}.start"
    if not marker.exists():
        raise InvalidInputError(
            f"window {window_id} was never opened: there is no {marker}; open it with: monitord window start"
        )
    owner, daemon = marker.stat().st_uid, session.folder.stat().st_uid
    if os.geteuid() not in (owner, daemon):
        raise InvalidInputError(
            f"window {window_id} is of another user (uid {owner}): only they, or the user of the daemon "
            f"(uid {daemon}), can close or cancel it"
        )


def _refuse_if_open(session: Session, window_id: str) -> None:
    """Refuse to move the start of a window that is being measured."""
    times = {}
    for kind in ("start", "stop", "cancel"):
        marker = session.windows / f"{check_name(window_id, 'window')}.{kind}"
        times[kind] = marker.stat().st_mtime if marker.exists() else 0.0
    if times["start"] > max(times["stop"], times["cancel"]):
        since = time.strftime("%H:%M:%S", time.localtime(times["start"]))
        raise InvalidInputError(
            f"window {window_id} is open already, since {since}; stop or cancel it, or use another --id"
        )
