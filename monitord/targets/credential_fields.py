"""The access part of a target file: the credentials of each endpoint, and the files it refers to. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitord.documents.strict_yaml import Document, FieldPath, field_name
from monitord.targets.address import Address
from monitord.targets.credentials import KINDS, Reference, ScrapeCredentials
from monitord.targets.spec import AccessSpec, ServiceSpec, TargetFileSpec


def credentials_of(
    spec: TargetFileSpec, service: ServiceSpec | None, address: Address
) -> ScrapeCredentials | None:
    """Return the credentials for an address of the file, None for none.

    A service's own authentication replaces the file's, and its own tls the file's.
    """
    if not spec.sets_access and not (service and service.sets_access):
        return None
    authenticates = service is not None and bool(service.basic_auth or service.bearer_token_file)
    authentication: AccessSpec = service if service and authenticates else spec
    tls = (service.tls if service else None) or spec.tls
    used: dict[str, Any] = {"bearer_token_file": authentication.bearer_token_file}
    if authentication.basic_auth:
        used |= authentication.basic_auth.model_dump()
    if tls and address.scheme == "https":
        used |= tls.model_dump()
    used = {name: value for name, value in used.items() if value}
    return ScrapeCredentials(**used) if used else None


def references_in(document: Document, spec: TargetFileSpec) -> Iterator[Reference]:
    """Yield every file that the target file refers to, with its place."""
    for section, access in _sections(spec):
        for part in ((), ("basic_auth",), ("tls",)):
            values = getattr(access, part[0]) if part else access
            for name, kind in KINDS.items():
                if written := getattr(values, name, None):
                    path = (*section, *part, name)
                    yield Reference(written, kind, field_name(path), document.position(path))


def check_access(document: Document, spec: TargetFileSpec) -> None:
    """Note in the document what does not go together."""
    for section, access in _sections(spec):
        if access.basic_auth and access.bearer_token_file:
            message = "basic_auth and bearer_token_file cannot be used together; remove one of them"
            document.add((*section, "bearer_token_file"), message)
        if access.tls and bool(access.tls.cert_file) != bool(access.tls.key_file):
            document.add((*section, "tls"), "cert_file and key_file are needed together; add the missing one")
    for index, service in enumerate(spec.services):
        if service.tls and service.endpoint.scheme != "https":
            message = "tls needs https, but this service's endpoint is http; write https:// or remove tls"
            document.add(("services", index, "tls"), message)
    if spec.tls and all(address.scheme != "https" for address in _addresses(spec)):
        document.add(
            ("tls",), "tls needs https, but no endpoint of this file is https; write https:// or remove tls"
        )


def _sections(spec: TargetFileSpec) -> Iterator[tuple[FieldPath, AccessSpec]]:
    """Yield the parts of the file with access settings, with their paths."""
    if spec.sets_access:
        yield (), spec
    for index, service in enumerate(spec.services):
        if service.sets_access:
            yield ("services", index), service


def _addresses(spec: TargetFileSpec) -> Iterator[Address]:
    yield from spec.exporters.values()
    yield from (service.endpoint for service in spec.services)
