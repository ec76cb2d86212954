"""Creating folders that only their owner can use, whatever the umask."""

from __future__ import annotations

import stat
from pathlib import Path

PRIVATE = 0o700


def make_folders(folder: Path) -> tuple[Path, ...]:
    """Create a folder and its missing parents; return those that were created, outermost first.

    `Path.mkdir(parents=True)` sets the mode of the last one only: with a umask of 0, all others are open.
    """
    try:
        folder.mkdir(mode=PRIVATE)
    except FileNotFoundError:
        return (*make_folders(folder.parent), *make_folders(folder))
    except FileExistsError:
        if not folder.is_dir():
            raise
        return ()
    return (folder,)


def lets_others_replace(folder: Path) -> bool:
    """Return whether other users could replace the files in a folder."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def lets_pass(folder: Path, group_id: int) -> bool:
    """Return whether members of a group can reach the files in a folder."""
    found = folder.stat()
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == group_id else stat.S_IXOTH))
