"""Publishing files: they appear whole or not at all, and are written only when their content changed.

A file is written under a temporary name in the same folder, synced and renamed. On a network file system
errors (ENOSPC, EDQUOT) may come as late as fsync or close; every one of them is raised, and the old file is
kept. Others may be able to write in the folder and place a link where a file will be created: temporary names
cannot be guessed, and links are not followed.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from monitord.system.listing import paths_in
from monitord.system.printable import shown_json

TEMPORARY_PREFIX = ".tmp-"


def publish(
    path: Path,
    content: bytes,
    mode: int = 0o600,
    *,
    durable_name: bool = True,
    rewrite: bool = False,
) -> bool:
    """Make `path` a file with this content; return whether it had to be written.

    `rewrite` writes it even if the content is the same, so that its time is now. The name is durable on
    return; without `durable_name` the caller syncs the folder, once for many files.
    """
    if not rewrite and read_plain(path) == content:
        return False
    _replace(path, content, mode, durable_name, lambda: None)
    return True


def publish_confirmed(
    path: Path, content: bytes, mode: int, confirm: Callable[[], None], *, durable_name: bool = True
) -> bool:
    """Publish a file as `publish` does, if `confirm` does not raise.

    It is called right before others see the change: writing may have taken long, and another process may have
    the right to publish by then.
    """
    if read_plain(path) == content:
        return False
    _replace(path, content, mode, durable_name, confirm)
    return True


def _replace(path: Path, content: bytes, mode: int, durable_name: bool, confirm: Callable[[], None]) -> None:
    temporary = temporary_beside(path)
    try:
        write_synced(temporary, content, mode)
        confirm()
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable_name:
        sync_folder(path.parent)


def temporary_beside(path: Path) -> Path:
    """Return an unguessable name in the same folder, which `remove_leftovers` recognises."""
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}.{os.urandom(4).hex()}")


def open_new(path: Path, mode: int = 0o600) -> int:
    """Create a file and return its descriptor, for writing. Raises FileExistsError, also for a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, mode)


def write_synced(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Create a file, and return once its content is on disk."""
    descriptor = open_new(path, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where the file system supports it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files that a crash left; nothing may be writing in the folder now."""
    for path in paths_in(folder, TEMPORARY_PREFIX):
        path.unlink(missing_ok=True)


def read_if_exists(path: Path) -> bytes | None:
    """Return a file's content, or None when there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def open_plain(path: Path | str, *, follow: bool = False) -> BinaryIO:
    """Open a file for reading that others may have put there: follow no link, wait for no pipe.

    `follow` allows links. Raises OSError. The caller must check that it is a plain file.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | (0 if follow else os.O_NOFOLLOW)
    return os.fdopen(os.open(path, flags), "rb")


def read_plain(path: Path, longest: int = -1) -> bytes | None:
    """Return a plain file's content; None for anything else. Follows no link and does not block on a pipe."""
    try:
        file = open_plain(path)
    except OSError:
        return None
    with file:
        return file.read(longest) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None


def to_json(value: Any) -> bytes:
    """Return a value as the JSON that monitord publishes: safe on a terminal, without bare NaN."""
    # A file name with stray bytes holds surrogates, which UTF-8 cannot: they are escaped here as well.
    return shown_json(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_json(path: Path) -> Any | None:
    """Return the value of a published JSON file; None when there is no file or it is not JSON."""
    content = read_if_exists(path)
    if content is None:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return None
