"""The only writer of the drop folders `targets/` and `windows/`, for every kind of client.

A file appears whole or not at all, readable for the session's group where it has one.
"""

from __future__ import annotations

from pathlib import Path

from monitord.errors import InvalidInputError
from monitord.session.folder import Session
from monitord.system.atomic import publish, read_if_exists


def drop(session: Session, file: Path, content: bytes, *, rewrite: bool = False) -> Path:
    """Write a file into a drop folder, and return it. Raises InvalidInputError.

    `rewrite` also writes a file that has this content already, so that its modification time is now.
    """
    try:
        publish(file, content, session.file_mode, rewrite=rewrite)
    except OSError as error:
        raise InvalidInputError(f"cannot write {file}: {error.strerror}") from error
    return file


def remove(file: Path, content: bytes | None = None) -> bool:
    """Remove a file from a drop folder; return whether it was there. Raises InvalidInputError.

    With `content`, only while the file holds it: another client may have replaced it.
    """
    try:
        if content is not None and read_if_exists(file) != content:
            return False
        file.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InvalidInputError(f"cannot remove {file}: {error.strerror}") from error
    return True
