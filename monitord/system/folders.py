"""Making folders that are their owner's alone, whatever the umask."""

from __future__ import annotations

import stat
from pathlib import Path

PRIVATE = 0o700


def make_folders(folder: Path) -> tuple[Path, ...]:
    """Make a folder, and those that are missing on the way to it; return which were made, outermost first.

    `Path.mkdir(parents=True)` gives only the last one its mode: with a umask of 0, all others are open.
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
    """Say whether anybody could put something else in the place of what lies in a folder."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IWOTH) and not mode & stat.S_ISVTX


def lets_pass(folder: Path, group_id: int) -> bool:
    """Say whether members of a group get through a folder to what lies in it."""
    found = folder.stat()
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == group_id else stat.S_IXOTH))
