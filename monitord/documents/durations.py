"""Durations as users write them: `500ms`, `5s`, `10m`, `1h`, `2d`."""

from __future__ import annotations

import re

from monitord.errors import excerpt

_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
LONGEST_SECONDS = 36_500 * 86_400.0  # Prometheus counts nanoseconds in 64 bits: 292 years
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as `1.5s` or `10m`.

    Raises ValueError with what a duration looks like, or when it is longer than 100 years.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"'{excerpt(text)}' is not a duration; write a number and its unit: 500ms, 5s, 10m, 1h"
        )
    seconds = float(match[1]) * _MILLISECONDS[match[2]] / 1000
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"'{excerpt(text)}' is longer than 100 years")
    return seconds


def format_duration(seconds: float) -> str:
    """Write seconds, to the millisecond, as a whole number of the largest unit that fits.

    Prometheus and monitord both read it.
    """
    milliseconds = round(seconds * 1000)
    for unit, size in reversed(_MILLISECONDS.items()):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
