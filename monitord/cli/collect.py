"""`monitord collect`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitord.cli._options import DURATION, MOMENT, session_option
from monitord.cli._output import print_line, progress
from monitord.cli._slo import (
    junit_option,
    print_conditions,
    slo_option,
    write_junit,
)
from monitord.errors import ExitCode, InvalidInputError, NotReadyError
from monitord.session.folder import open_session
from monitord.system.names import check_name

if TYPE_CHECKING:
    from monitord.client.results import WindowResult


@click.command("collect")
@session_option
@click.option(
    "--from-iso",
    "start",
    type=MOMENT,
    required=True,
    metavar="T",
    help="Start of the window: ISO 8601 with a time zone, or Unix seconds.",
)
@click.option("--to-iso", "end", type=MOMENT, required=True, metavar="T", help="End of the window, likewise.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to copy the results to; new or empty.",
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
    """Measure a window in the past.

    Requests the window from the running daemon, waits for the results and prints their folder. Exits with
    4 when the window breached an SLO condition, else with 5 when its data is incomplete or a condition
    could not be decided.

    \b
    Example:
      monitord collect --session bench01 --from-iso 2026-01-31T09:30:00Z \\
          --to-iso 2026-01-31T09:40:00Z --out results/run01 --run-id run01
    """
    from monitord.client.results import result_of
    from monitord.client.status import is_running
    from monitord.client.waiting import wait_for, window_check
    from monitord.client.windows import check_conditions, request_window

    session = open_session(root, session_name)
    window_id = check_name(run_id or time.strftime("collect-%Y%m%d-%H%M%S", time.gmtime()), "window")
    if end <= start:
        raise InvalidInputError("--to-iso must be later than --from-iso")
    if end > time.time() + timeout:
        raise InvalidInputError("--to-iso is in the future: a window can be collected once it has ended")
    check_conditions(session, slo)
    if not is_running(session, time.time()):
        raise NotReadyError(
            f"session {session_name} has no running daemon; start it with: "
            f"monitord start --session {session_name}"
        )
    if out is not None and out.is_dir() and any(out.iterdir()):
        raise InvalidInputError(f"{out} is not empty; results are never mixed with other files")
    marker = request_window(session, window_id, start, end, slo=slo)
    check = window_check(session, window_id, marker.is_answered_by)
    with progress() as shown:
        wait_for(check, f"window {window_id}", timeout, shown.show)
    result = result_of(session, window_id)
    if out is not None:
        result.copy_to(out)
    print_line(out or result.folder)
    return _report(result, junit)


def _report(result: WindowResult, junit: Path | None) -> int:
    write_junit(result, junit)
    print_conditions(result)
    result.refuse_breach()
    result.refuse_incomplete()
    result.refuse_undecided()
    print_line("the window is complete", err=True)
    return ExitCode.OK
