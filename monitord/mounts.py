"""On what kind of file system a folder lies, from the kernel's table of mounts (pure)."""

from __future__ import annotations

import re
from pathlib import Path

# Where every write passes through this machine's kernel, so that inotify sees it.
LOCAL_TYPES = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "ramfs", "overlay", "f2fs", "bcachefs"}
)
# Where other machines write too; `fuse.*` is judged by what is behind it.
NETWORK_TYPES = frozenset(
    {
        "nfs", "nfs4", "lustre", "gpfs", "beegfs", "cifs", "smb3", "smbfs", "afs", "ceph", "wekafs",
        "panfs", "orangefs", "pvfs2", "9p", "glusterfs", "ocfs2", "gfs2", "fuse.sshfs", "fuse.glusterfs",
        "fuse.ceph-fuse", "fuse.beegfs", "fuse.juicefs", "fuse.s3fs", "fuse.dfuse",
    }
)  # fmt: skip

_OCTAL = re.compile(r"\\([0-7]{3})")  # how the kernel writes blanks and backslashes of a path


def file_system_type(folder: Path, mounts: str) -> str:
    """Return the type of the file system that holds a folder, links in its path resolved already.

    `mounts` is the text of /proc/self/mounts.
    """
    best, kind = -1, "unknown"
    path = str(folder)
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1]).rstrip("/")
        # A later mount on the same point hides the earlier one.
        if (path == point or path.startswith(f"{point}/")) and len(point) >= best:
            best, kind = len(point), fields[2]
    return kind
