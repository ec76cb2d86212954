"""Registering clients and services: their target files, validated before they are dropped.

Every function returns the files that it wrote or removed, and raises InvalidInputError.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitord.client.drop_files import drop, remove
from monitord.documents.strict_yaml import read_document, write_document
from monitord.errors import InvalidFileError, InvalidInputError
from monitord.session.folder import Session
from monitord.system.atomic import read_plain
from monitord.system.listing import paths_in
from monitord.targets.file_names import client_file_name, is_service_file_of, service_file_name
from monitord.targets.parse import parse
from monitord.targets.resolve import Place


def connect_client(
    session: Session,
    client: str,
    *,
    node: str | None = None,
    exporters: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    lease: str | None = None,
    slurm_job: str | None = None,
) -> Path:
    """Register a client with its node and its exporters, which are addresses by kind."""
    content = {
        "client": client,
        "node": node,
        "exporters": exporters,
        "labels": labels,
        "lease": lease,
        "slurm_job": slurm_job,
    }
    return _register(session, client_file_name(client), content)


def register_service(
    session: Session,
    client: str,
    service: str,
    endpoint: str,
    *,
    labels: Mapping[str, str] | None = None,
    lease: str | None = None,
    slurm_job: str | None = None,
) -> Path:
    """Register a service of a client. Without a `slurm_job` it gets that of its client, if any."""
    entry = {"name": service, "endpoint": endpoint, **({"labels": dict(labels)} if labels else {})}
    content = {
        "client": client,
        "services": [entry],
        "lease": lease,
        "slurm_job": slurm_job or _slurm_job_of(session.targets / client_file_name(client)),
    }
    return _register(session, service_file_name(client, service), content)


def disconnect_client(session: Session, client: str) -> tuple[Path, ...]:
    """Withdraw a client and all of its services."""
    own = session.targets / client_file_name(client)
    services = [path for path in paths_in(session.targets) if is_service_file_of(client, path.name)]
    files = [file for file in (own, *services) if remove(file)]
    if not files:
        raise InvalidInputError(f"client {client} has registered nothing in session {session.name}")
    return tuple(files)


def unregister_service(session: Session, client: str, service: str) -> Path:
    """Withdraw one service of a client."""
    file = session.targets / service_file_name(client, service)
    if not remove(file):
        raise InvalidInputError(
            f"service {service} of client {client} is not registered: {file} does not exist"
        )
    return file


def _register(session: Session, name: str, content: Mapping[str, Any]) -> Path:
    given = {key: value for key, value in content.items() if value not in (None, {}, [])}
    if "node" not in given:
        given["host"] = socket.gethostname()  # what localhost means in this file
    text = _modeline(session) + write_document(given)
    try:
        parse(text, name, session.name, Place(socket.gethostname()))
    except InvalidFileError as error:
        # The caller wrote arguments, not this file: its lines and columns would not help.
        raise InvalidInputError("\n".join(f"{p.field}: {p.message}" for p in error.problems)) from None
    return drop(session, session.targets / name, text)


def _slurm_job_of(file: Path) -> str | None:
    """Return the Slurm job in a target file; None when it has none or is not a target file."""
    try:
        value = read_document(read_plain(file) or b"").value
    except InvalidFileError:
        return None
    job = value.get("slurm_job") if isinstance(value, dict) else None
    return None if job is None else str(job)


def _modeline(session: Session) -> bytes:
    """Return the comment that names the file's schema to editors; empty for a session without schemas."""
    if not (session.schemas / "targets.json").is_file():
        return b""
    return b"# yaml-language-server: $schema=../schemas/targets.json\n"
