"""Private folders, also in places where everybody may write, such as /tmp."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from monitord.errors import InvalidInputError
from monitord.system.folders import PRIVATE, make_folders
from monitord.system.mounts import file_system_type


def make_folder(folder: Path, scratch: Path | None = None) -> None:
    """Create a folder, or check that the existing one can be used.

    Below `scratch`, a folder for everybody's temporary files, each folder of the path must belong to this
    user and be closed to others, who must not be able to replace it. Raises InvalidInputError when the folder
    cannot be created or trusted.
    """
    try:
        if scratch is None:
            make_folders(folder)
        else:
            _make_private(folder, scratch)
    except OSError as error:
        raise InvalidInputError(f"{folder} cannot be created: {error.strerror}") from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise InvalidInputError(f"{folder} cannot be written to; see its owner and mode")


def file_system_of(folder: Path) -> str:
    """Return the type of the file system that holds a folder, or will hold it once it exists."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    return file_system_type(folder.resolve(), mounts)


def _make_private(folder: Path, scratch: Path) -> None:
    _check_scratch(scratch)
    steps = folder.relative_to(scratch).parts
    for depth in range(1, len(steps) + 1):
        step = scratch.joinpath(*steps[:depth])
        try:
            step.mkdir(mode=PRIVATE)
        except FileExistsError:
            _check_private(step)


def _check_scratch(scratch: Path) -> None:
    """Refuse a scratch folder in which others could rename what is created there."""
    found = scratch.stat()
    others = stat.S_IWOTH if found.st_uid == os.geteuid() else stat.S_IWOTH | stat.S_IWGRP
    if found.st_mode & others and not found.st_mode & stat.S_ISVTX:
        raise InvalidInputError(f"others could replace what is created in {scratch}, which is not sticky")


def _check_private(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise InvalidInputError(f"{folder} is not a folder, or is a link; remove it")
    if found.st_uid != os.geteuid():
        raise InvalidInputError(f"{folder} belongs to another user (uid {found.st_uid})")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidInputError(f"{folder} is open to others; check what is in it, then chmod 700 it")
