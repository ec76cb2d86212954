"""The PromQL that queries are made of: the matchers of a session, and the labels of scopes."""

from __future__ import annotations

import re
from collections.abc import Mapping

SCOPES: Mapping[str, tuple[str, ...]] = {
    "session": (),
    "client": ("client",),
    "service": ("client", "service"),
    "node": ("node",),
    "gpu": ("node", "gpu"),
}


def quote(value: str) -> str:
    """Write text as a PromQL string."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def session_matchers(session: str, services: tuple[str, ...] = ("*",)) -> str:
    """Return the matchers that select a session's series, of jobs that fit one of the patterns."""
    matchers = f"session={quote(session)}"
    if "*" not in services:
        matchers += f",job=~{quote('|'.join(map(_pattern_to_regex, services)))}"
    return matchers


def _pattern_to_regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
