"""Copying files so that they are on disk on return; errors that come as late as fsync are raised."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from monitord.system.atomic import sync_folder

_OWNER_ONLY = 0o600


def copy_synced(source: Path, file: Path, mode: int = _OWNER_ONLY) -> int:
    """Copy a file's content to a new file; return its length."""
    with source.open("rb") as reading, file.open("xb") as writing:
        os.fchmod(writing.fileno(), mode)
        shutil.copyfileobj(reading, writing)
        writing.flush()
        os.fsync(writing.fileno())
        return writing.tell()


def copy_tree_synced(source: Path, target: Path) -> int:
    """Copy a folder to a new one that only its owner can use; return the total length of its files."""
    target.mkdir(mode=0o700)
    total = 0
    for entry in source.iterdir():
        copy = copy_tree_synced if entry.is_dir() else copy_synced
        total += copy(entry, target / entry.name)
    sync_folder(target)
    return total
