"""Which file system a folder lies on, and whether that is another machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitord.mounts import file_system_type, is_network

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
mgs@tcp:/work /work lustre rw 0 0
server:/home /home nfs4 rw 0 0
tmpfs /work/local tmpfs rw 0 0
auto /mnt autofs rw 0 0
server:/mnt /mnt nfs4 rw 0 0
fuse /with\\040blank\\011tab\\134x fuse.bindfs rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib", "ext4"), ("/", "ext4"), ("/work/a", "lustre"), ("/work", "lustre"), ("/works", "ext4"),
        ("/work/local/x", "tmpfs"), ("/mnt/x", "nfs4"), ("/with blank\ttab\\x/y", "fuse.bindfs"),
    ],
)  # fmt: skip
def test_the_file_system_of_a_folder(folder: str, kind: str) -> None:
    assert file_system_type(Path(folder), MOUNTS) == kind
    assert file_system_type(Path(folder), "") == "unknown"


@pytest.mark.parametrize(
    "kind",
    ["nfs", "nfs4", "lustre", "gpfs", "beegfs", "cifs", "smb3", "afs", "ceph", "wekafs", "panfs", "orangefs",
     "9p", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph-fuse"],
)  # fmt: skip
def test_other_machines_file_systems(kind: str) -> None:
    assert is_network(kind)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "tmpfs", "overlay", "fuse.bindfs", "fuse", "unknown", ""])
def test_this_machines_and_unknown_ones(kind: str) -> None:
    assert not is_network(kind)
