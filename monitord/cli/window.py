"""`monitord window`: the markers of measurement windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from monitord.cli._options import DURATION, label_option, output_option, session_option
from monitord.cli._output import print_json, print_line, print_table, progress
from monitord.cli._slo import print_conditions, slo_option
from monitord.errors import ExitCode, MonitordError
from monitord.session.folder import open_session

_Command = TypeVar("_Command", bound=Callable[..., int])

_id_option = click.option("--id", "window_id", required=True, metavar="ID", help="The window's name.")


def _trim_options(function: _Command) -> _Command:
    """Add what is not measured at the window's edges."""
    for name, where in (("--cooldown", "end"), ("--warmup", "start")):
        option = click.option(
            name, callback=_checked, metavar="30s", help=f"Time at the window's {where} that is not measured."
        )
        function = option(function)
    return function


def _checked(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    """Refuse what is no duration; the marker keeps the text."""
    if text is not None:
        DURATION.convert(text, parameter, context)
    return text


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
@_trim_options
def start(
    session_name: str,
    root: Path,
    window_id: str,
    labels: tuple[tuple[str, str], ...],
    slo: tuple[str, ...],
    warmup: str | None,
    cooldown: str | None,
) -> int:
    """Open a window.

    Writes its start marker into the session's windows/ and prints the marker's path.

    \b
    Example:
      monitord window start --session bench01 --id run01 --label batch=32
    """
    from monitord.client.windows import open_window

    session = open_session(root, session_name)
    opened = open_window(session, window_id, labels=dict(labels), slo=slo, warmup=warmup, cooldown=cooldown)
    print_line(opened.path)
    return ExitCode.OK


@command.command("stop")
@session_option
@_id_option
def stop(session_name: str, root: Path, window_id: str) -> int:
    """Close a window; the daemon then collects it.

    Writes its stop marker into the session's windows/ and prints the marker's path.

    \b
    Example:
      monitord window stop --session bench01 --id run01
      monitord wait --session bench01 --for window=run01
    """
    from monitord.client.windows import close_window

    print_line(close_window(open_session(root, session_name), window_id).path)
    return ExitCode.OK


@command.command("cancel")
@session_option
@_id_option
def cancel(session_name: str, root: Path, window_id: str) -> int:
    """End an open window without collecting it.

    Writes its cancel marker into the session's windows/ and prints the marker's path.

    \b
    Example:
      monitord window cancel --session bench01 --id run01
    """
    from monitord.client.windows import cancel_window

    print_line(cancel_window(open_session(root, session_name), window_id).path)
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
    from monitord.client.status import window_statuses

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
@_trim_options
@click.option("--timeout", type=DURATION, default="120s", show_default=True, metavar="120s",
              help="How long to wait for the results after the command.")  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Do not wait for the results.")
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
def run(
    session_name: str,
    root: Path,
    window_id: str,
    labels: tuple[tuple[str, str], ...],
    slo: tuple[str, ...],
    warmup: str | None,
    cooldown: str | None,
    timeout: float,
    no_wait: bool,
    arguments: tuple[str, ...],
) -> int:
    """Run a command inside a window.

    Waits for the results, prints their folder on standard error, and exits with the command's own exit
    code. When monitoring fails, that is reported on standard error and does not change the exit code.

    SLO conditions come from --slo or from a recipe. When the command exits with 0, a breached condition
    makes the exit code 4, and one that could not be decided 5. With --slo, missing results are an error,
    too. When the command exits with another code, that code is kept.

    \b
    Example:
      monitord window run --session bench01 --id run01 -- srun ./benchmark --size 32
      monitord window run --session bench01 --id run02 --slo 'latency.p99 < 250 ms' -- ./benchmark
    """
    from monitord.client.results import result_of
    from monitord.client.waiting import wait_for, window_check
    from monitord.client.windows import close_opened, open_window
    from monitord.system.children import run_attached

    session = open_session(root, session_name)
    if slo and no_wait:
        raise click.UsageError("--slo needs the results: remove --no-wait")
    opened = open_window(session, window_id, labels=dict(labels), slo=slo, warmup=warmup, cooldown=cooldown)
    try:
        code = run_attached(arguments)
    finally:
        closed = close_opened(session, opened)
    if no_wait:
        return code
    try:
        check = window_check(session, window_id, closed.is_answered_by)
        with progress() as shown:
            wait_for(check, f"window {window_id}", timeout, shown.show)
        result = result_of(session, window_id)
    except MonitordError as error:
        if slo and code == ExitCode.OK:
            raise
        print_line(f"monitord: {error}", err=True)
        return code
    print_line(result.folder, err=True)
    print_conditions(result)
    if code == ExitCode.OK:
        result.refuse_breach()
        result.refuse_undecided()
    return code
