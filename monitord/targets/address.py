"""Where something is scraped, as users write it: a URL, `host:port`, or a bare port."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from monitord.errors import excerpt

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})  # noqa: S104  # names, not a bind

_DEFAULT_PORTS = {"http": 80, "https": 443}
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})", re.ASCII)
_PARAMETER = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_URL_CHARACTERS = re.compile(r"[!-~]+", re.ASCII)
_ODD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_ESCAPES = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
# Measured on 2.42, 2.53 and 3.5: all others it sends as escapes again, but letters, digits and -._~, where an
# escape and the character itself are the same by RFC 3986.
_UNDONE = frozenset("/;,:@&=+$")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}", re.ASCII)
_ENDS_IN_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Address:
    """A place to scrape. `host` None means the client's own node (or each of its nodes)."""

    port: int
    host: str | None = None
    scheme: str = "http"
    path: str = "/metrics"
    query: str = ""

    @property
    def is_local(self) -> bool:
        """Whether the host means the node that the client runs on."""
        return self.host is None or is_loopback(self.host)

    def authority(self, host: str) -> str:
        """Write `host:port` for a host, with brackets around an IPv6 address."""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def url(self, host: str) -> str:
        """Write the whole URL for a host."""
        return f"{self.scheme}://{self.authority(host)}{self.path}{'?' if self.query else ''}{self.query}"


def is_loopback(host: str) -> bool:
    """Return whether a host is a loopback name or address."""
    if host.lower() in LOOPBACK_NAMES:
        return True
    if not host[:1].isdigit() and ":" not in host:
        return False  # a name, as nearly always
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_host(text: str) -> str:
    """Return a host name or IP address in lower case; raises ValueError when the text is neither.

    Other spellings that the C library reads as IPv4 addresses (`0xa9fea9fe`, `10.1`, `012.0.0.1`) are
    refused, so that they cannot be used to get around rules about addresses.
    """
    if not _HOST.fullmatch(text):
        if not _is_address(text):
            raise ValueError(f"'{excerpt(text)}' is not a host name or address")
    elif _ENDS_IN_NUMBER.fullmatch(text) and not _IPV4.fullmatch(text):
        raise ValueError(
            f"'{excerpt(text)}' ends in a number but is not an IPv4 address; write it like 10.0.0.7, "
            "with four numbers and no leading zeros"
        )
    return text.lower()


def _is_address(text: str) -> bool:
    if not _ADDRESS.fullmatch(text):
        return False  # ipaddress takes anything at all for the zone after a %
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def parse_url(text: str) -> Address:
    """Read an http or https URL; the path defaults to `/metrics`, the port to the scheme's.

    Raises ValueError with what is wrong and what a URL should look like; no password is repeated there.
    """
    try:
        return _parse_url(text)
    except ValueError:
        _refuse_user(text)
        raise


def _refuse_user(text: str) -> None:
    """Refuse a URL that may contain a password, without repeating any of it."""
    if "@" in text:
        raise ValueError(
            "a URL must not contain a user or password, which all readers of the folder would see; "
            "write basic_auth with a password_file"
        ) from None


def _parse_url(text: str) -> Address:
    if not _URL_CHARACTERS.fullmatch(text):
        raise ValueError(f"'{excerpt(text)}' is not a URL; write http://HOST:PORT/PATH without spaces")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError(
            f"'{excerpt(text)}' is not a URL; write an IPv6 address in brackets: http://[::1]:9100/metrics"
        ) from None
    if parts.scheme not in _DEFAULT_PORTS or "://" not in text:
        raise ValueError(f"'{excerpt(text)}' is not an http or https URL; write http://HOST:PORT/PATH")
    if "@" in parts.netloc:
        _refuse_user(text)
    if parts.fragment:
        raise ValueError(f"a target's URL cannot have a #fragment; remove #{excerpt(parts.fragment)}")
    host, port = _host_and_port(parts.netloc, _DEFAULT_PORTS[parts.scheme])
    _check_escapes(parts.path)
    _check_escapes(parts.query)
    _check_path(parts.path)
    _check_query(parts.query)
    return Address(port, host, parts.scheme, parts.path or "/metrics", parts.query)


def parse_exporter(value: int | str) -> Address:
    """Read an exporter's address: a port, `host:port` or a URL. Raises ValueError."""
    if isinstance(value, int):
        return Address(_port(str(value)))
    if value.isdigit():
        return Address(_port(value))
    if "://" in value:
        return parse_url(value)
    try:
        host, port = _host_and_port(value, None)
    except ValueError:
        _refuse_user(value)
        raise
    return Address(port, host)


def _host_and_port(text: str, default: int | None) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([^:]*))?", text)
    if match is None:
        raise ValueError(f"'{excerpt(text)}' is not HOST:PORT; write an IPv6 address in brackets: [::1]:9100")
    bracketed, plain, port_text = match.groups()
    host = bracketed if bracketed is not None else plain
    if not host:
        raise ValueError(f"'{excerpt(text)}' has no host; write HOST:PORT")
    if bracketed is not None and ":" not in host:
        raise ValueError(f"'{excerpt(host)}' is not an IPv6 address; brackets are for IPv6 addresses only")
    host = check_host(host)
    if port_text is None and default is None:
        raise ValueError(f"'{excerpt(text)}' has no port; write {excerpt(text)}:PORT")
    return host, default if port_text is None and default else _port(port_text or "")


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text, re.ASCII) or not 1 <= int(text) <= 65535:
        raise ValueError(f"port {excerpt(text) or '(empty)'} is not a number from 1 to 65535")
    return int(text)


def _check_escapes(text: str) -> None:
    """Refuse escapes that are not UTF-8: Prometheus gets paths and values as text, and escapes them."""
    if odd := _ODD_PERCENT.search(text):
        raise ValueError(f"'{excerpt(odd[0])}' is not a valid escape in a URL; write %25 for a percent sign")
    for escapes in _ESCAPES.findall(text):
        try:
            unquote(escapes, errors="strict")
        except UnicodeDecodeError:
            raise ValueError(
                f"{excerpt(escapes)} is not UTF-8, which Prometheus cannot send; serve the metrics "
                "at a URL in UTF-8, where ü is %C3%BC"
            ) from None


def _check_path(path: str) -> None:
    """Refuse an escape that Prometheus would undo, and so ask for another path."""
    for escape in _ESCAPE.findall(path):
        character = unquote(escape)
        if character in _UNDONE:
            raise ValueError(
                f"Prometheus would send {escape} as {character}, which is another path; write {character} "
                "if the server accepts that, otherwise serve the metrics at a path without it"
            )


def _check_query(query: str) -> None:
    """Refuse what Prometheus cannot pass on: a target's query is one label for each parameter."""
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    for name in names:
        if not _PARAMETER.fullmatch(name):
            raise ValueError(
                f"query parameter '{excerpt(name)}' cannot be sent; use a name of letters, digits and _"
            )
        if names.count(name) > 1:
            raise ValueError(
                f"query parameter {excerpt(name)} is given twice; Prometheus can send only one value"
            )
