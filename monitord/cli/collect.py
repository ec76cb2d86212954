"""`monitord collect`."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import click

from monitord.cli._options import DURATION, MOMENT, session_option
from monitord.cli._output import say
from monitord.cli._slo import (
    check_slo,
    junit_option,
    refuse_breach,
    refuse_undecided,
    slo_option,
    tell_slo,
    write_junit,
)
from monitord.cli.markers import marker_content
from monitord.cli.wait import await_goal, window_check
from monitord.client.status import is_running
from monitord.documents.timestamps import to_iso
from monitord.errors import ExitCode, IncompleteDataError, InvalidInputError, NotReadyError
from monitord.session.folder import Session, open_session
from monitord.system.atomic import publish, read_json
from monitord.system.names import check_name

MANIFEST = "MANIFEST.json"


@click.command("collect")
@session_option
@click.option(
    "--from-iso", "start", type=MOMENT, required=True, metavar="T", help="Begin: ISO 8601 with a zone."
)
@click.option("--to-iso", "end", type=MOMENT, required=True, metavar="T", help="End: ISO 8601 with a zone.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Copy the results here."
)
@click.option("--run-id", metavar="ID", help="Name of the window [default: collect-DATE-TIME].")
@slo_option
@junit_option
@click.option(
    "--timeout", type=DURATION, default="120s", show_default=True, metavar="120s", help="How long to wait."
)
def command(
    session_name: str,
    root: Path,
    start: float,
    end: float,
    out: Path | None,
    run_id: str | None,
    slo: tuple[str, ...],
    junit: Path | None,
    timeout: float,
) -> int:
    """Collect a past window: ask the daemon for it, wait, and copy its artifacts.

    Prints the folder of the results. Exits with 4 when the window breached an SLO condition, else with
    5 when its data is incomplete or a condition could not be decided.

    \b
    Example:
      monitord collect --session bench01 --from-iso 2026-01-31T09:30:00Z \\
          --to-iso 2026-01-31T09:40:00Z --out results/run01 --run-id run01
    """
    session = open_session(root, session_name)
    window_id = check_name(run_id or time.strftime("collect-%Y%m%d-%H%M%S", time.gmtime()), "window")
    if end <= start:
        raise InvalidInputError("--to-iso must be later than --from-iso")
    check_slo(session, slo)
    if not is_running(session, time.time()):
        raise NotReadyError(f"session {session_name} has no running daemon; start it with: monitord start")
    if out is not None and out.is_dir() and any(out.iterdir()):
        raise InvalidInputError(f"{out} is not empty; results are never mixed with other files")
    asked = {"from": to_iso(start), "to": to_iso(end), **({"slo": list(slo)} if slo else {})}
    stamp = _drop(session, window_id, asked)
    check = window_check(session, window_id, lambda status: (status.get("markers") or {}) == stamp)
    await_goal(check, f"window {window_id}", timeout)
    artifacts = session.artifacts / window_id
    if out is not None:
        _copy(artifacts, out)
    say(out or artifacts)
    return _report(artifacts, junit)


def _drop(session: Session, window_id: str, asked: dict[str, Any]) -> dict[str, int]:
    """Drop the marker; return its file's name and modification time, which the result will name."""
    for kind in ("start", "stop"):
        if (session.windows / f"{window_id}.{kind}").exists():
            raise InvalidInputError(f"{window_id}.{kind} exists in {session.windows}; use another --run-id")
    marker = session.windows / f"{window_id}.yaml"
    publish(marker, marker_content("yaml", asked), session.file_mode, rewrite=True)
    return {marker.name: marker.stat().st_mtime_ns}


def _copy(artifacts: Path, out: Path) -> None:
    """Copy the results, the manifest last: where it is, everything else is."""
    shutil.copytree(artifacts, out, ignore=shutil.ignore_patterns(MANIFEST), dirs_exist_ok=True)
    shutil.copy2(artifacts / MANIFEST, out / MANIFEST)


def _report(artifacts: Path, junit: Path | None) -> int:
    manifest: Any = read_json(artifacts / MANIFEST)
    write_junit(manifest, junit)
    tell_slo(manifest)
    refuse_breach(manifest)
    if manifest["status"] != "complete":
        reasons = "; ".join(reason["message"] for reason in manifest["reasons"])
        raise IncompleteDataError(f"the window is {manifest['status']}: {reasons}")
    refuse_undecided(manifest)
    say("the window is complete", err=True)
    return ExitCode.OK
