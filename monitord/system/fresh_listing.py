"""Listing a folder as it is on the server, where this machine would show a cached listing.

An NFS client may show a listing that is up to `acdirmax` seconds old (60 by default), longer than a lease is
valid. Creating a file ends that: the server's reply shows that the folder has changed, and the client reads
the next listing from the server.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from monitord.system.atomic import TEMPORARY_PREFIX
from monitord.system.mounts import listing_seconds

RefreshListing = Callable[[Path], None]
"""Makes sure that the next listing of a folder is not a cached one. Raises OSError."""


def listing_refresher(folder: Path) -> RefreshListing:
    """Return what to call before a folder, or one beside it, is listed: on most file systems `no_refresh`."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    return end_cached_listing if listing_seconds(folder.resolve(), mounts) > 0 else no_refresh


def no_refresh(_folder: Path) -> None:
    """Do nothing: listings of this file system are never stale."""


def end_cached_listing(folder: Path) -> None:
    """End the cached listing of a folder by creating and removing a file in it."""
    path = folder / f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    with contextlib.suppress(FileNotFoundError):  # another holder removed leftovers
        path.unlink()
