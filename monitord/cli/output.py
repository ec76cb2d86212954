"""Printing: tables on standard output, progress on a terminal's standard error."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

POLL_SECONDS = 0.1


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table: with rich on a terminal, else as aligned columns that `awk` can read."""
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, title=title or None, title_justify="left")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    if title:
        click.echo(title)
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for cells in (columns, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def wait_for(
    done: Callable[[], bool],
    timeout: float,
    describe: Callable[[], str],
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Poll until `done`; return False when `timeout` seconds have passed. Shows progress on a terminal."""
    deadline = time.monotonic() + timeout
    with progress() as shown:
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            shown.show(describe())
            pause(min(POLL_SECONDS, left))
    return True


class Progress:
    """What is going on: lines that stay, and on a terminal one below them that comes and goes."""

    def __init__(self, status: Any = None) -> None:
        self._status = status

    def show(self, text: str) -> None:
        """Say what is being waited for, where that can be taken back."""
        if self._status is not None:
            self._status.update(text)

    def keep(self, text: str) -> None:
        """Print a line that stays."""
        if self._status is None:
            click.echo(text, err=True)
        else:
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress on standard error: with a spinner on a terminal."""
    if not sys.stderr.isatty() or "NO_COLOR" in os.environ:
        yield Progress()
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield Progress(status)
