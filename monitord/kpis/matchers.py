"""Label matchers as PromQL has them, applied to labels here. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

Fits = Callable[[Mapping[str, str]], bool]

_STRING = r'"(?:[^"\\]|\\.)*"'
_MATCHER = re.compile(rf"\s*(\w+)\s*(=~|!~|!=|=)\s*({_STRING})\s*(?:,|$)")
_ESCAPES = {"n": "\n", "t": "\t"}


@lru_cache
def parse_matchers(text: str) -> Fits:
    """Return the check of labels that a list of matchers such as `mode!="idle",cpu=~"0|1"` describes.

    A label that is absent is empty. Raises ValueError for what is no such list.
    """
    checks: list[tuple[str, bool, re.Pattern[str]]] = []
    place = 0
    while text[place:].strip():
        match = _MATCHER.match(text, place)
        if match is None:
            raise ValueError(f"{text!r} is not a list of label matchers")
        value = re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), match[3][1:-1])
        try:
            pattern = re.compile(value if "~" in match[2] else re.escape(value), re.DOTALL)
        except re.error as error:
            raise ValueError(f"{value!r} is not a regular expression: {error}") from None
        checks.append((match[1], "!" not in match[2], pattern))
        place = match.end()
    return lambda labels: all(
        (pattern.fullmatch(labels.get(name, "")) is not None) == wanted for name, wanted, pattern in checks
    )
