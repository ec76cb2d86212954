"""Publishing files: seen whole or not at all, and written only when their content changed.

A temporary name in the same folder, fsync, rename. Errors of the file system (ENOSPC, EDQUOT) may
come as late as fsync or close on a network file system; every one of them reaches the caller, and
the old file then still stands.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from monitord.listing import paths_in

TEMPORARY_PREFIX = ".tmp-"


def publish(
    path: Path,
    content: bytes,
    mode: int = 0o600,
    *,
    durable_name: bool = True,
    confirm: Callable[[], None] = lambda: None,
) -> bool:
    """Make `path` hold `content`; return whether anything had to be written.

    A new name is durable on return, unless the caller syncs the folder once for many. `confirm` may refuse
    by raising, right before others see the change: writing may have taken long.
    """
    if read_if_exists(path) == content:
        return False
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}.{os.getpid()}")
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
    return True


def write_synced(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a new file and return once it is on disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where the file system can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove what writes left behind that a crash interrupted; nobody may be writing there now."""
    for path in paths_in(folder, TEMPORARY_PREFIX):
        path.unlink(missing_ok=True)


def read_if_exists(path: Path) -> bytes | None:
    """Return a file's content, or None when there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def to_json(value: Any) -> bytes:
    """Write a value as the JSON monitord publishes: readable, one trailing newline, no bare NaN."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # A file name with stray bytes holds surrogates, which UTF-8 cannot; `\udc80` is how JSON does.
    return text.encode(errors="backslashreplace")


def read_json(path: Path) -> Any | None:
    """Return what a published JSON file holds, or None when there is none or it is not JSON."""
    content = read_if_exists(path)
    if content is None:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return None
