"""Which file system holds a folder, from the text of /proc/self/mounts (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")  # how the kernel writes blanks and backslashes of a path
_NETWORK_TYPES = frozenset(
    {
        "9p", "acfs", "afs", "auristorfs", "beegfs", "ceph", "cifs", "coda", "dvs", "fhgfs", "gfs2",
        "glusterfs", "gpfs", "lustre", "mmfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3",
        "smbfs", "wekafs",
    }
)  # fmt: skip
# FUSE programs by the name in their type; `fuse.bindfs` and its like are as local as the folder below.
_NETWORK_FUSE = frozenset(
    {
        "beegfs", "ceph", "ceph-fuse", "cvmfs2", "dfuse", "gcsfuse", "glusterfs", "goofys", "gpfs", "juicefs",
        "mfs", "moosefs", "quobyte", "rclone", "s3fs", "seaweedfs", "smbnetfs", "sshfs",
    }
)  # fmt: skip


# File systems whose clients cache listings, and for how long by default. Lustre, GPFS, Ceph and others
# invalidate their clients' caches when a folder changes.
_LISTING_SECONDS = {"nfs": 60.0, "nfs4": 60.0, "cifs": 60.0, "smb3": 60.0, "fuse.sshfs": 20.0}


def file_system_type(folder: Path, mounts: str) -> str:
    """Return the type of the file system that holds a folder, `unknown` when none is listed.

    The path is compared as it is written: it must be absolute and hold no symbolic links.
    """
    return _mount_of(folder, mounts)[0]


def listing_seconds(folder: Path, mounts: str) -> float:
    """Return how old a listing of a folder may be, in seconds: 0 where it is never cached."""
    kind, options = _mount_of(folder, mounts)
    longest = _LISTING_SECONDS.get(kind, 0.0)
    for option in options.split(","):
        name, _, value = option.partition("=")
        if longest and name == "noac":
            return 0.0
        if longest and name in ("acdirmax", "actimeo") and value.isdecimal():
            longest = float(value)
    return longest


def _mount_of(folder: Path, mounts: str) -> tuple[str, str]:
    """Return the type and the options of the mount that holds a folder."""
    best, found = -1, ("unknown", "")
    path = str(folder)
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1]).rstrip("/")
        # A later mount on the same point hides the earlier one.
        if (path == point or path.startswith(f"{point}/")) and len(point) >= best:
            best, found = len(point), (fields[2], fields[3] if len(fields) > 3 else "")
    return found


def is_network(kind: str) -> bool:
    """Return whether files of such a file system are on another machine, as far as the type is known."""
    family, _, program = kind.partition(".")
    return program in _NETWORK_FUSE if family in {"fuse", "fuseblk"} else family in _NETWORK_TYPES
