"""Printing: data on standard output; messages, and on a terminal progress, on standard error.

The only module that writes to a terminal: control characters in text of others are printed as escapes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from monitord.system.printable import shown, shown_json

if TYPE_CHECKING:
    from pathlib import Path

    from monitord.session.folder import Session


def print_line(text: object, *, err: bool = False) -> None:
    """Print one line; control characters in it, line ends included, are printed as escapes."""
    click.echo(shown(str(text)), err=err)


def print_lines(text: str, *, err: bool = False) -> None:
    """Print lines; control characters in them, but for line ends and tabs, are printed as escapes."""
    click.echo(shown(text.removesuffix("\n"), keep="\n\t"), err=err)


def print_registration(session: Session, file: Path) -> None:
    """Print a target file that was dropped, and how to find out whether the daemon accepted it."""
    print_line(file)
    how = f"monitord wait --session {session.name} --for target={file.name}"
    print_line(f"registered; wait until it is scraped with: {how}", err=True)


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(shown_json(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print a table: with rich on a terminal, else as aligned columns that `awk` can read.

    A line end in a cell is printed as an escape: it would look like another row.
    """
    title, rows = shown(title), [tuple(map(shown, row)) for row in rows]
    if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*columns, title=Text(title) if title else None, title_justify="left")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    if title:
        click.echo(title)
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for cells in (columns, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


class Progress:
    """Progress messages: lines that stay, and on a terminal one last line that is replaced."""

    def __init__(self, status: Any = None) -> None:
        self._status = status

    def show(self, text: str) -> None:
        """Show what is being waited for, on a terminal only."""
        if self._status is not None:
            from rich.text import Text

            self._status.update(Text(shown(text)))  # as text, it would be read for markup

    def keep(self, text: str) -> None:
        """Print a line that stays."""
        if self._status is None:
            print_line(text, err=True)
        else:
            line = shown(text)
            self._status.console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress on standard error: with a spinner on a terminal."""
    if not sys.stderr.isatty() or "NO_COLOR" in os.environ:
        yield Progress()
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield Progress(status)
