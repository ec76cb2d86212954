"""Text as it may be shown: nothing in it that a terminal acts on, or that reads in another order. Pure.

File names, an exporter's errors and what stands in others' files come from whoever may write them. What
is not printable stands as an escape: `\\x1b` for people, `\\u001b` in JSON, which reads back the same.
"""

from __future__ import annotations

import json
import re

_SUSPECT = re.compile(r"[^ -~]")


def shown(text: str, keep: str = "") -> str:
    """Write text so that a terminal only shows it, on one line unless line ends are to be kept."""
    if text.isprintable():
        return text
    return _SUSPECT.sub(lambda found: _escaped(found[0], keep), text)


def shown_json(text: str) -> str:
    """Write the text of a JSON document so that a terminal only shows it; its values stay the same."""
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
