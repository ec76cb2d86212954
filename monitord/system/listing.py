"""Listing folders of our own, where an error is an error and never an empty folder.

`os.walk` passes over a folder that cannot be listed, as `Path.glob` and `Path.rglob` do since Python
3.12: with them, one EIO is a session of which nothing was ever published.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder, sorted. Raises OSError, also when there is no such folder."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def paths_in(
    folder: Path, prefix: str = "", suffix: str | tuple[str, ...] = "", *, missing_ok: bool = False
) -> list[Path]:
    """Return what is in a folder and is named so, sorted. Raises OSError.

    `missing_ok` says that where there is no such folder, there is nothing in it.
    """
    try:
        names = names_in(folder)
    except FileNotFoundError:
        if not missing_ok:
            raise
        names = []
    return [folder / name for name in names if name.startswith(prefix) and name.endswith(suffix)]


def files_below(folder: Path, *, missing_ok: bool = False) -> Iterator[Path]:
    """Yield what is no folder in a folder and in those below it; no link is followed. Raises OSError."""
    for path in paths_in(folder, missing_ok=missing_ok):
        if stat.S_ISDIR(path.lstat().st_mode):
            yield from files_below(path)
        else:
            yield path
