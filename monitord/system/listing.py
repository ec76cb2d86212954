"""Listing the daemon's own folders, where an error is raised and never looks like an empty folder.

`os.walk` skips a folder that cannot be listed, as `Path.glob` and `Path.rglob` do since Python 3.12: with
them, after one EIO a session would look as if nothing had ever been published.
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
    """Return the paths in a folder whose names have this prefix and suffix, sorted. Raises OSError.

    With `missing_ok`, a missing folder is an empty one.
    """
    try:
        names = names_in(folder)
    except FileNotFoundError:
        if not missing_ok:
            raise
        names = []
    return [folder / name for name in names if name.startswith(prefix) and name.endswith(suffix)]


def files_below(folder: Path, *, missing_ok: bool = False) -> Iterator[Path]:
    """Yield the files in a folder and in those below it, following no links. Raises OSError."""
    for path in paths_in(folder, missing_ok=missing_ok):
        if stat.S_ISDIR(path.lstat().st_mode):
            yield from files_below(path)
        else:
            yield path
