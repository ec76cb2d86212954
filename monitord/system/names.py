"""The names of sessions, clients, services and windows. Each is part of a path and of a label. Pure."""

from __future__ import annotations

import re

from monitord.errors import InvalidInputError, excerpt

NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
NAME_RULE = "use letters, digits, '.', '_' and '-', at most 128, a letter or digit first"
_NAME = re.compile(NAME_PATTERN, re.ASCII)


def is_name(text: str) -> bool:
    """Return whether a text can name a session, client, service or window."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str, what: str) -> str:
    """Return a name that can be part of a path. Raises InvalidInputError."""
    if not is_name(name):
        raise InvalidInputError(bad_name(name, what))
    return name


def bad_name(name: str, what: str) -> str:
    """Return the message on a name that is not valid."""
    return f"'{excerpt(name)}' is not a valid {what} name; {NAME_RULE}"
