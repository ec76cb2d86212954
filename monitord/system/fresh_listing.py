"""Folders seen as they are on the server, where this machine would show a listing that it kept.

An NFS client shows a listing of up to `acdirmax` seconds ago (60 by default), longer than any lease is good
for. A file that it creates itself ends that: the server's reply says that the folder has changed, and the
next listing is read from there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from monitord.system.atomic import TEMPORARY_PREFIX
from monitord.system.mounts import listing_seconds

See = Callable[[Path], None]
"""Has the next listing of a folder show what is there. Raises OSError where that cannot be had."""


def seeing_clearly(folder: Path) -> See:
    """Return what to do before a folder, or one beside it, is listed: on most file systems nothing."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    return end_cached_listing if listing_seconds(folder.resolve(), mounts) > 0 else nothing


def nothing(_folder: Path) -> None:
    """Leave a folder alone, whose listings are those of the server."""


def end_cached_listing(folder: Path) -> None:
    """Create and remove a file in a folder."""
    path = folder / f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    with contextlib.suppress(FileNotFoundError):  # whoever took over has tidied up
        path.unlink()
