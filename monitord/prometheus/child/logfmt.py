"""Reading Prometheus's log (pure): where it listens, and why it ended.

2.x and 3.x both write logfmt, with other names for the time and the level's case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PAIR = re.compile(r'([A-Za-z_][\w.]*)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s|$)')
_ESCAPE = re.compile(r"\\(.)")
_WILDCARDS = ("0.0.0.0", "[::]")  # noqa: S104 (compared with, not bound to)
_SCHEMES = {"TLS is enabled.": "https", "TLS is disabled.": "http"}
_NOT_LOGFMT = re.compile(
    r"^panic: |^fatal error: |error: |^monitord: |^runtime: failed to create|^runtime/cgo: pthread_create"
)


def parse_line(line: str) -> dict[str, str]:
    """Return the keys and values of one logfmt line, none when it is not one."""
    pairs: dict[str, str] = {}
    position = 0
    while match := _PAIR.match(line, position):
        pairs[match[1]] = _unquoted(match[2])
        position = match.end()
    return pairs if position == len(line) else {}


def listening_url(log: str) -> str | None:
    """Return the URL that Prometheus serves according to its log, None while it does not listen.

    A wildcard address is given as the loopback one, where it can be reached from here. Whether it
    serves https follows one line after the address.
    """
    address = None
    for entry in map(parse_line, log.splitlines()):
        message = entry.get("msg", "")
        if message == "Listening on" and "address" in entry:
            host, _, port = entry["address"].rpartition(":")
            address = f"{'127.0.0.1' if host in _WILDCARDS else host}:{port}"
        elif address is not None and message in _SCHEMES:
            return f"{_SCHEMES[message]}://{address}"
    return None


def error_messages(log: str) -> tuple[str, ...]:
    """Return what went wrong according to a log, oldest first, each once."""
    return tuple(dict.fromkeys(_messages(log)))


def _messages(log: str) -> Iterator[str]:
    for line in log.splitlines():
        entry = parse_line(line)
        if entry.get("level", "").lower() == "error":
            yield ": ".join(entry[key] for key in ("msg", "err") if entry.get(key))
        elif not entry and _NOT_LOGFMT.search(line):
            yield line.strip()


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _ESCAPE.sub(lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), value[1:-1])
