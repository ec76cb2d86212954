"""Options that commands share, and the types of their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from monitord.session.folder import default_root, session_names

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        from monitord.documents.durations import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Seconds(_Duration):
    """Seconds as a plain number, or a duration: for an option whose name says seconds."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        plain = isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value, re.ASCII)
        return super().convert(f"{value}s" if plain else value, param, ctx)


class _Moment(click.ParamType[float]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        from monitord.system.timestamps import from_iso

        try:
            return from_iso(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Label(click.ParamType[tuple[str, str]]):
    name = "key=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not equals or not key:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        return key, text


_DAEMON_OPTIONS = (
    click.option(
        "--no-auth",
        is_flag=True,
        help="Run Prometheus without a password: any user of the node can query it.",
    ),
    click.option(
        "--prometheus-binary",
        metavar="P",
        help="The prometheus program [default: $MONITORD_PROMETHEUS, else the one in $PATH].",
    ),
    click.option("--port", type=click.IntRange(0, 65535), help="Port of Prometheus; 0: any free one."),
    click.option("--data-dir", metavar="D", help="Folder of Prometheus's data, best on a node-local disk."),
    click.option(
        "--continue",
        "handover",
        is_flag=True,
        help="Submit a job that continues the session when this one ends.",
    ),
)

DURATION = _Duration()
SECONDS = _Seconds()
MOMENT = _Moment()
LABEL = _Label()


def root_option(function: CommandT) -> CommandT:
    """Add `--root`."""
    return click.option(
        "--root", type=click.Path(path_type=Path), default=default_root, metavar="DIR",
        help="The folder that contains all sessions [default: $MONITORD_ROOT, else ~/.local/state/monitord].",
    )(function)  # fmt: skip


def session_option(function: CommandT) -> CommandT:
    """Add `--session` and `--root`; both are for `open_session`."""
    return click.option(
        "--session", "-s", "session_name", required=True, envvar="MONITORD_SESSION", metavar="S",
        shell_complete=_complete_sessions, help="The session's name [env: MONITORD_SESSION].",
    )(root_option(function))  # fmt: skip


def label_option(function: CommandT) -> CommandT:
    """Add `--label`, any number of times."""
    return click.option(
        "--label",
        "labels",
        type=LABEL,
        multiple=True,
        metavar="K=V",
        help="Label KEY=VALUE; may be repeated.",
    )(function)


def output_option(function: CommandT) -> CommandT:
    """Add `-o table|json`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="Output format.",
    )(function)


def daemon_options(function: CommandT) -> CommandT:
    """Add the options of the daemon."""
    for option in reversed(_DAEMON_OPTIONS):
        function = option(function)
    return function


def _complete_sessions(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    root = ctx.params.get("root") or default_root()
    return [name for name in session_names(Path(root)) if name.startswith(incomplete)]
