"""The host of an endpoint: a client's `localhost` is not the daemon's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from monitord.targets.address import Address, is_loopback
from monitord.targets.spec import TargetFileSpec


@dataclass(frozen=True, slots=True)
class Place:
    """Where the daemon is: its host name, and whether it runs inside a Slurm allocation."""

    host: str
    under_slurm: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """A host to scrape and the value of the `node` label for it."""

    name: str
    node: str


def hosts_of(address: Address, spec: TargetFileSpec, place: Place) -> list[Host]:
    """Return the hosts on which an address of this file is scraped; one, unless it names no host.

    Raises ValueError when the address means the client's own node and the file does not name it.
    """
    if not address.is_local:
        assert address.host is not None  # noqa: S101  # an address without a host is local
        return [Host(address.host, _node_name(address.host, spec))]
    if address.host is None and spec.nodes is not None:
        return [Host(node, node) for node in spec.nodes]
    return [_clients_own(address, spec, place)]


def _clients_own(address: Address, spec: TargetFileSpec, place: Place) -> Host:
    if spec.node and not is_loopback(spec.node):
        return Host(spec.node, spec.node)
    elsewhere = spec.host if spec.host and spec.host != place.host.lower() else None
    if not spec.node and spec.host and (place.under_slurm or elsewhere):
        return Host(spec.host, spec.host)
    if place.under_slurm:
        raise ValueError(
            f"{address.host or 'a port alone'} means the client's node, which the file does not "
            "name; add node: HOST"
        )
    # On one machine loopback is what the client meant: a service may listen there and nowhere else.
    host = "127.0.0.1" if address.host in (None, "0.0.0.0") else address.host  # noqa: S104
    return Host(host or "127.0.0.1", spec.node or spec.host or place.host)


def _node_name(host: str, spec: TargetFileSpec) -> str:
    """Return the node's name as the file has it, even if the URL has its full domain name."""
    known: Iterable[str] = (*(spec.nodes or ()), *((spec.node,) if spec.node else ()))
    short = host.partition(".")[0]
    return short if short in known else host
