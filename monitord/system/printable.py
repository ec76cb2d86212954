"""Text that is safe to print: without control characters or anything that changes its direction. Pure.

File names, errors of exporters and the content of dropped files come from other users. Characters that are
not printable are escaped: as `\\x1b` for people, as `\\u001b` in JSON, which reads back the same.
"""

from __future__ import annotations

import json
import re

_SUSPECT = re.compile(r"[^ -~]")


def shown(text: str, keep: str = "") -> str:
    """Return text with what is not printable escaped, line ends too unless `keep` holds them."""
    if text.isprintable():
        return text
    return _SUSPECT.sub(lambda found: _escaped(found[0], keep), text)


def shown_json(text: str) -> str:
    """Return a JSON document with what is not printable escaped; its values stay the same."""
    # Between values there are only line ends; within them JSON itself escapes those below a space.
    if text.isascii() and "\x7f" not in text:
        return text
    return _SUSPECT.sub(lambda found: _escaped_in_json(found[0]), text)


def _escaped(character: str, keep: str) -> str:
    if character.isprintable() or character in keep:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _escaped_in_json(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]
