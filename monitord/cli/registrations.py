"""Writing and removing target files on behalf of clients."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitord.cli._output import say
from monitord.documents.strict_yaml import read_document, write_document
from monitord.errors import InvalidFileError, InvalidInputError
from monitord.session.folder import Session
from monitord.system.atomic import publish, read_plain
from monitord.system.names import check_name
from monitord.targets.parse import parse
from monitord.targets.resolve import Place


def client_file(session: Session, client: str) -> Path:
    """Return the target file of a client's own registration."""
    return session.targets / f"{check_name(client, 'client')}.yaml"


def service_file(session: Session, client: str, service: str) -> Path:
    """Return the target file of one service; `+` is in no name, so no two services share a file."""
    return session.targets / f"{check_name(client, 'client')}+{check_name(service, 'service')}.yaml"


def slurm_job_of(file: Path) -> str | None:
    """Return the job that a target file is bound to; None for none, and for what is no such file."""
    try:
        value = read_document(read_plain(file) or b"").value
    except InvalidFileError:
        return None
    job = value.get("slurm_job") if isinstance(value, dict) else None
    return None if job is None else str(job)


def register(session: Session, file: Path, content: Mapping[str, Any]) -> None:
    """Validate a registration and drop it. Raises InvalidInputError with what is wrong."""
    given = {key: value for key, value in content.items() if value not in (None, {}, [])}
    if "node" not in given:
        given["host"] = socket.gethostname()  # what localhost means in this file
    text = _modeline(session) + write_document(given)
    try:
        parse(text, file.name, session.name, Place(socket.gethostname()))
    except InvalidFileError as error:
        # The user wrote flags, not this file: its lines and columns would tell them nothing.
        raise InvalidInputError("\n".join(f"{p.field}: {p.message}" for p in error.problems)) from None
    try:
        publish(file, text, session.file_mode)
    except OSError as error:
        raise InvalidInputError(f"cannot write {file}: {error.strerror}") from error
    say(file)
    how = f"monitord wait --session {session.name} --for target={file.name}"
    say(f"registered; see what becomes of it with: {how}", err=True)


def _modeline(session: Session) -> bytes:
    """Tell an editor which schema the file follows, where the session has one to show."""
    if not (session.schemas / "targets.json").is_file():
        return b""
    return b"# yaml-language-server: $schema=../schemas/targets.json\n"


def withdraw(files: list[Path]) -> None:
    """Remove target files, and say which."""
    for file in files:
        try:
            file.unlink()
        except OSError as error:
            raise InvalidInputError(f"cannot remove {file}: {error.strerror}") from error
        say(file)
