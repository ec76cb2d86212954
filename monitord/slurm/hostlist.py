"""Expand Slurm hostlists such as `mel[0001-0032,0040]`. Pure."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator

_LITERAL = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", re.ASCII)

# Part of a host name: fixed text, or number ranges as (first, last, width).
_Part = str | list[tuple[int, int, int]]


def expand(text: str, limit: int = 10_000) -> list[str]:
    """Return the host names of a hostlist, in its order, with repeats.

    Zero padding is kept (`n[08-10]` is n08, n09, n10). Several brackets give all combinations, the last
    one varying fastest. Spaces around a comma outside brackets are ignored. Raises ValueError with the
    column (from 1) and the reason; also, before expanding, for more than `limit` names.
    """
    items = [_parse_item(text, start, end) for start, end in _items(text)]
    total = sum(math.prod(map(_count, item)) for item in items)
    if total > limit:
        raise ValueError(f"column 1: {total} hosts; at most {limit} are allowed")
    return ["".join(host) for item in items for host in itertools.product(*map(_texts, item))]


def _items(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each item; commas inside brackets do not separate."""
    start, opened = 0, -1
    for index, character in enumerate(text):
        if character == "[":
            if opened >= 0:
                raise _bad(index, "'[' inside brackets")
            opened = index
        elif character == "]":
            if opened < 0:
                raise _bad(index, "']' without '['")
            opened = -1
        elif character == "," and opened < 0:
            yield start, index
            start = index + 1
    if opened >= 0:
        raise _bad(opened, "'[' is never closed")
    yield start, len(text)


def _parse_item(text: str, start: int, end: int) -> list[_Part]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    if start == end:
        raise _bad(start, "a host name is missing")
    parts: list[_Part] = []
    while start < end:
        if text[start] == "[":
            closing = text.index("]", start)
            parts.append(_parse_ranges(text, start + 1, closing))
            start = closing + 1
        elif literal := _LITERAL.match(text, start, end):
            parts.append(literal[0])
            start = literal.end()
        else:
            raise _bad(start, f"{text[start]!r} is not allowed in a host name")
    return parts


def _parse_ranges(text: str, start: int, end: int) -> list[tuple[int, int, int]]:
    ranges = []
    for piece in text[start:end].split(","):
        match = _RANGE.fullmatch(piece)
        if not piece:
            raise _bad(start, "a number is missing")
        if match is None:
            raise _bad(start, f"{piece[:40]!r} is neither a number nor a range such as 01-16")
        first, last = match[1], match[2] or match[1]
        if int(last) < int(first):
            raise _bad(start, f"the range {piece} runs backwards")
        # Padded to the width of the first number; larger numbers are longer: [98-101].
        ranges.append((int(first), int(last), len(first)))
        start += len(piece) + 1
    return ranges


def _count(part: _Part) -> int:
    return 1 if isinstance(part, str) else sum(last - first + 1 for first, last, _ in part)


def _texts(part: _Part) -> list[str]:
    if isinstance(part, str):
        return [part]
    return [f"{n:0{width}d}" for first, last, width in part for n in range(first, last + 1)]


def _bad(index: int, reason: str) -> ValueError:
    return ValueError(f"column {index + 1}: {reason}")
