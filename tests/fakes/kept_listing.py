"""A folder mounted by a client that keeps listings for a minute, as NFS's does: sshfs, without a network.

NFS itself needs a kernel that has it. What sshfs keeps ends as there: with a change that this client makes.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import wait_until
from tests.fakes.blind_mount import UnavailableError

_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")


@dataclass(frozen=True)
class KeptListing:
    """`mounted` is what one client shows, `served` what the server has and other clients change."""

    mounted: Path
    served: Path


@contextmanager
def kept_listing(folder: Path) -> Iterator[KeptListing]:
    """Mount one below a folder while the context lasts. Raises UnavailableError where that cannot be had."""
    server = next((path for path in _SERVERS if Path(path).exists()), None)
    if shutil.which("sshfs") is None or server is None:
        raise UnavailableError("this machine has no sshfs with sftp-server; `make tools` installs them")
    mount = KeptListing(folder / "mounted", folder / "served")
    for path in (mount.mounted, mount.served):
        path.mkdir()
    ours, theirs = socket.socketpair()
    sshfs = ["sshfs", "-f", "-o", "passive,dcache_timeout=60", f":{mount.served}", str(mount.mounted)]
    with ours, theirs:
        processes = [
            subprocess.Popen(argv, stdin=end.fileno(), stdout=end.fileno())
            for argv, end in (([server], ours), (sshfs, theirs))
        ]
    try:
        wait_until(lambda: os.path.ismount(mount.mounted) or processes[1].poll() is not None, "the mount")
        if processes[1].poll() is not None:
            raise UnavailableError("sshfs cannot mount here")
        yield mount
    finally:
        # -l: a daemon that is still ending may hold files open
        subprocess.run(["umount", "-l", str(mount.mounted)], check=False, capture_output=True)
        for process in processes:
            process.terminate()
            process.wait()
