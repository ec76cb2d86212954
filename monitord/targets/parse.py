"""From a target file's bytes to a registration, or to everything that is wrong with it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from monitord.documents.strict_yaml import Document, FieldPath, read_document
from monitord.documents.validation import validate
from monitord.errors import InvalidFileError
from monitord.system.names import is_name
from monitord.targets.address import Address
from monitord.targets.credential_fields import check_access, credentials_of, references_in
from monitord.targets.credentials import ScrapeCredentials
from monitord.targets.model import Endpoint, Identity, Registration
from monitord.targets.resolve import Host, Place, hosts_of
from monitord.targets.spec import MAX_ENDPOINTS, ServiceSpec, TargetFileSpec


def parse(content: bytes, file: str, session: str, place: Place) -> Registration:
    """Return what the file registers. Raises InvalidFileError with every problem in it."""
    document = read_document(content)
    spec = validate(TargetFileSpec, document)
    client = spec.client or file.rpartition(".")[0]
    if not is_name(client):
        document.add(
            (), f"the file's name {file!r} gives no valid client name; add client: NAME or rename the file"
        )
    count = _count(spec)
    endpoints: tuple[Endpoint, ...] = ()
    if count > MAX_ENDPOINTS:  # counted before they are made: a small file can ask for millions
        document.add((), f"{count} endpoints; at most {MAX_ENDPOINTS} are allowed in one file")
    else:
        check_access(document, spec)
        endpoints = tuple(_Reading(document, spec, session, client, place).endpoints())
    if document.problems:
        raise InvalidFileError(document.problems)
    digest = hashlib.sha256(content).hexdigest()
    return Registration(
        file, client, endpoints, digest, spec.lease, spec.slurm_job, tuple(references_in(document, spec))
    )


def _count(spec: TargetFileSpec) -> int:
    everywhere = sum(address.host is None for address in spec.exporters.values())
    hosts = 1 if spec.nodes is None else len(spec.nodes)
    return everywhere * hosts + len(spec.exporters) - everywhere + len(spec.services)


@dataclass(slots=True)
class _Reading:
    """One pass over a valid file, noting what only makes sense or does not across its fields."""

    document: Document
    spec: TargetFileSpec
    session: str
    client: str
    place: Place
    _seen: set[Identity] = field(default_factory=set)

    def endpoints(self) -> Iterator[Endpoint]:
        for kind, address in self.spec.exporters.items():
            path: FieldPath = ("exporters", kind)
            credentials = credentials_of(self.spec, None, address)
            for host in self._hosts(address, path):
                yield self._endpoint(path, address, host, {"job": kind}, None, credentials)
        names: dict[str, int] = {}
        for index, service in enumerate(self.spec.services):
            path = ("services", index, "endpoint")
            if names.setdefault(service.name, index) != index:
                self.document.add(
                    ("services", index, "name"),
                    f"service {service.name} is in this file twice; rename or remove one",
                )
            self._check_times(service, index)
            credentials = credentials_of(self.spec, service, service.endpoint)
            for host in self._hosts(service.endpoint, path):
                labels = {**service.labels, "job": service.name, "service": service.name}
                yield self._endpoint(path, service.endpoint, host, labels, service, credentials)

    def _hosts(self, address: Address, path: FieldPath) -> list[Host]:
        try:
            return hosts_of(address, self.spec, self.place)
        except ValueError as error:
            self.document.add(path, str(error))
            return []

    def _check_times(self, service: ServiceSpec, index: int) -> None:
        if service.interval and service.timeout and service.timeout > service.interval:
            self.document.add(("services", index, "timeout"), "timeout must not be longer than interval")
        if service.interval and service.interval < 0.1:
            self.document.add(("services", index, "interval"), "interval must be 100ms or longer")

    def _endpoint(
        self,
        path: FieldPath,
        address: Address,
        host: Host,
        labels: Mapping[str, str],
        service: ServiceSpec | None,
        credentials: ScrapeCredentials | None,
    ) -> Endpoint:
        fixed = {
            "instance": address.authority(host.name),
            "session": self.session,
            "client": self.client,
            "node": host.node,
        }
        endpoint = Endpoint(
            url=address.url(host.name),
            labels={**self.spec.labels, **labels, **fixed},
            interval=service.interval if service else None,
            timeout=service.timeout if service else None,
            credentials=credentials,
            place=self.document.position(path),
        )
        if endpoint.identity in self._seen and not service:
            self.document.add(path, f"{fixed['instance']} is listed twice for {labels['job']}")
        self._seen.add(endpoint.identity)
        return endpoint
