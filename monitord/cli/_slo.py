"""The options of commands that judge a window, and how its SLO conditions are printed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitord.cli._output import print_line
from monitord.errors import InvalidInputError

if TYPE_CHECKING:
    from monitord.client.results import WindowResult

slo_option = click.option(
    "--slo", "slo", multiple=True, metavar="CONDITION",
    help="SLO condition that the window must meet, such as 'latency.p99 < 250 ms'; may be repeated.",
)  # fmt: skip

junit_option = click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Also write the verdict and the conditions as JUnit XML.",
)  # fmt: skip


def write_junit(result: WindowResult, file: Path | None) -> None:
    """Write a window's results as JUnit XML, where `--junit` was given. Raises InvalidInputError."""
    if file is not None:
        try:
            result.write_junit(file)
        except OSError as error:
            raise InvalidInputError(f"--junit {file} cannot be written: {error.strerror}") from error


def print_conditions(result: WindowResult) -> None:
    """Print the outcome of each SLO condition on standard error."""
    for status, text in result.conditions():
        print_line(f"slo {status}: {text}", err=True)
