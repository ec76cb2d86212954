"""Reading one file that anybody may have put into a folder: plain files of limited size, nothing else."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from monitord.documents.limits import MAX_BYTES
from monitord.system.atomic import open_plain

Signature = tuple[int, int, int, int]
NEVER_SEEN: Signature = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A file as it was read: its content, or the problem for which it was not read.

    `modified_at` is its modification time in Unix seconds, by the clock of the node that wrote it. `uid`
    and `mode` show who may have written it.
    """

    name: str
    modified_at: float
    modified_ns: int
    content: bytes = b""
    problem: str = ""
    uid: int = -1
    mode: int = 0


def read_file(folder: Path, name: str) -> tuple[Signature, DroppedFile]:
    """Read a file that anybody may have put there, without following a link or blocking on a pipe.

    Raises OSError when it cannot be read now, or changed while it was read.
    """
    path = folder / name
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return signature_of(status), _described(
            name, status, problem=f"the file is {_kind(status)}; only regular files are read"
        )
    if status.st_size > MAX_BYTES:
        problem = f"the file has {status.st_size} bytes; at most {MAX_BYTES} are allowed"
        return signature_of(status), _described(name, status, problem=problem)
    try:
        file = open_plain(path)
    except PermissionError as error:
        problem = (
            f"the daemon cannot read the file: {error.strerror}; make it readable, for example with chmod g+r"
        )
        return signature_of(status), _described(name, status, problem=problem)
    with file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.ESTALE, f"{name} became {_kind(before)} while it was opened")
        content = file.read(MAX_BYTES + 1)
        if signature_of(os.fstat(file.fileno())) != signature_of(before):
            raise OSError(errno.EAGAIN, f"{name} changed while it was read")
    return signature_of(before), _described(name, before, content)


def signature_of(status: os.stat_result) -> Signature:
    """Return what changes when a file changes."""
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _described(name: str, status: os.stat_result, content: bytes = b"", problem: str = "") -> DroppedFile:
    return DroppedFile(
        name, status.st_mtime_ns / 1e9, status.st_mtime_ns, content, problem,
        status.st_uid, stat.S_IMODE(status.st_mode),
    )  # fmt: skip


def _kind(status: os.stat_result) -> str:
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a FIFO, socket or device"
