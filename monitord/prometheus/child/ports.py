"""Who listens on a TCP port of this machine, as far as the kernel lets us see."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

_LISTENING = "0A"


def owner_of(port: int) -> str | None:
    """Describe the owner of a listening port: a process of ours by name, else its user; None without one."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    return _describe(uid=int(fields[7]), inode=fields[9])
    return None


def _describe(uid: int, inode: str) -> str:
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"uid {uid}"
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _holds(process, f"socket:[{inode}]"):
            name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
            return f"{name}, pid {process.name}, of {user}"
    return f"a process of {user}"  # whose files we may not see


def _holds(process: Path, socket: str) -> bool:
    with contextlib.suppress(OSError):  # gone meanwhile, or not ours to look at
        return any(os.readlink(entry) == socket for entry in (process / "fd").iterdir())  # noqa: PTH115
    return False
