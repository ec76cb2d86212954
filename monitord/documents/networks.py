"""Rules about hosts: networks, addresses and host patterns, and which hosts they cover. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from monitord.errors import excerpt

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
HostAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_PATTERN = re.compile(r"[a-z0-9*?._\[\]!-]+", re.ASCII)
_NUMBER_LAST = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?", re.ASCII)
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_LOOPBACK: dict[int, HostAddress] = {4: ipaddress.IPv4Address("127.0.0.1"), 6: ipaddress.IPv6Address("::1")}


@dataclass(frozen=True, slots=True)
class Rule:
    """A network, or a pattern of host names, as it was written."""

    text: str
    network: Network | None = None

    def covers_name(self, name: str) -> bool:
        """Return whether it is a pattern that matches a name in lower case."""
        return self.network is None and fnmatchcase(name, self.text.lower())

    def covers_address(self, forms: Iterable[HostAddress]) -> bool:
        """Return whether it is a network that contains an address, given all of its forms."""
        return self.network is not None and any(form in self.network for form in forms)


def read_rule(text: str) -> Rule:
    """Read a network, a single address, or a pattern such as `mel*`. Raises ValueError."""
    try:
        return Rule(text, _unmapped(ipaddress.ip_network(text)))
    except ValueError:
        pass
    if "/" in text:
        raise ValueError(_what_network(text))
    if not _PATTERN.fullmatch(text.lower()) or _NUMBER_LAST.fullmatch(text.lower()):
        raise ValueError(
            f"'{excerpt(text)}' is not a network, address or host pattern; write 10.0.0.0/8, 10.0.0.7 or mel*"
        )
    return Rule(text)


def forms_of(text: str) -> tuple[HostAddress, ...]:
    """Return the addresses that the network stack treats a text as; empty when it is not an address.

    An IPv4 address within an IPv6 one is the IPv4 address, and the address of no host is this machine's.
    An address with a zone is in the networks that it would be in without.
    """
    address: HostAddress
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ()
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return (address, _LOOPBACK[address.version]) if address.is_unspecified else (address,)


def _unmapped(network: Network) -> Network:
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        bits = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((bits, network.prefixlen - 96))
    return network


def _what_network(text: str) -> str:
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"'{excerpt(text)}' is not a network; write one as 10.0.0.0/8"
    return f"'{excerpt(text)}' has bits set beyond its prefix; write {meant}"
