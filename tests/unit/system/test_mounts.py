"""Which file system a folder lies on, and whether that is another machine's."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitord.system.mounts import file_system_type, is_network, listing_seconds

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


CACHING = """\
server:/a /defaults nfs4 rw,relatime,vers=4.2,rsize=1048576 0 0
server:/b /short nfs rw,acregmin=3,acdirmin=1,acdirmax=2,hard 0 0
server:/c /none nfs4 rw,noac,acdirmax=60 0 0
server:/d /zero nfs rw,acregmax=0,acdirmin=0,acdirmax=0 0 0
//server/e /windows cifs rw,actimeo=1,closetimeo=1 0 0
user@server: /ssh fuse.sshfs rw,nosuid 0 0
mgs@tcp:/project /project lustre rw,flock,lazystatfs 0 0
/dev/sda1 / ext4 rw,actimeo=9 0 0
short
"""


@pytest.mark.parametrize(
    ("folder", "seconds"),
    [
        ("/defaults/s", 60.0), ("/short", 2.0), ("/none/s", 0.0), ("/zero/s", 0.0), ("/windows/s", 1.0),
        ("/ssh/s", 20.0), ("/project/s", 0.0), ("/home/s", 0.0),
    ],
)  # fmt: skip
def test_how_old_a_listing_may_be_depends_on_the_mount(folder: str, seconds: float) -> None:
    assert listing_seconds(Path(folder), CACHING) == seconds
