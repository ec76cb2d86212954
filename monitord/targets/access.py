"""What a target file says of access: the credentials of each endpoint, and where it refers to files. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from monitord.documents import Document, Path, field_name
from monitord.targets.address import Address
from monitord.targets.credentials import KINDS, Reference, ScrapeCredentials
from monitord.targets.spec import AccessSpec, ServiceSpec, TargetFileSpec


def credentials_of(
    spec: TargetFileSpec, service: ServiceSpec | None, address: Address
) -> ScrapeCredentials | None:
    """Return the credentials for an address of the file, None for none.

    A service's own authentication replaces the file's, and its own tls the file's.
    """
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
            message = "a request has one of basic_auth and bearer_token_file; remove the other"
            document.add((*section, "bearer_token_file"), message)
        if access.tls and bool(access.tls.cert_file) != bool(access.tls.key_file):
            document.add((*section, "tls"), "cert_file and key_file belong together; add the other")
    for index, service in enumerate(spec.services):
        if service.tls and service.endpoint.scheme != "https":
            message = "tls is for https, and this service's endpoint is http; remove one of them"
            document.add(("services", index, "tls"), message)
    addresses = (*spec.exporters.values(), *(service.endpoint for service in spec.services))
    if spec.tls and all(address.scheme != "https" for address in addresses):
        document.add(("tls",), "tls is for https, and no endpoint of this file is https; write https://…")


def _sections(spec: TargetFileSpec) -> Iterator[tuple[Path, AccessSpec]]:
    yield (), spec
    for index, service in enumerate(spec.services):
        yield ("services", index), service
