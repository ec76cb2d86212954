"""`monitord config show`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from monitord.cli._options import output_option, root_option
from monitord.cli._output import print_json, print_table
from monitord.errors import ExitCode
from monitord.session.folder import open_session


@click.group("config")
def command() -> None:
    """Show settings and where they come from.

    \b
    Example:
      monitord config show --session bench01 --origin
    """


@command.command("show")
@click.option(
    "--session",
    "-s",
    "session_name",
    envvar="MONITORD_SESSION",
    metavar="S",
    help="The session's name [env: MONITORD_SESSION].",
)
@click.option("--origin", is_flag=True, help="Also print the source of each value.")
@output_option
@root_option
def show(session_name: str | None, origin: bool, output: str, root: Path) -> int:
    """Print every setting in force.

    A flag beats the environment, which beats the session's file, the site's file and the default.

    \b
    Example:
      MONITORD_WATCH_MODE=poll monitord config show --session bench01 --origin
    """
    from monitord.session.settings_sources import load_settings

    file = open_session(root, session_name).settings_file if session_name else None
    _, origins = load_settings(file)
    if output == "json":
        print_json({key: {"value": item.value, "origin": item.source} for key, item in origins.items()})
        return ExitCode.OK
    columns = ("KEY", "VALUE", "ORIGIN") if origin else ("KEY", "VALUE")
    rows = [(key, _shown(item.value), item.source)[: len(columns)] for key, item in origins.items()]
    print_table(columns, rows)
    return ExitCode.OK


def _shown(value: Any) -> str:
    """Write a value as in a settings file; empty for one that the daemon chooses."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)
