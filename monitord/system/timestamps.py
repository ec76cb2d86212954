"""Times as they are written: ISO 8601 in UTC with milliseconds, or Unix seconds. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from monitord.errors import excerpt

_UNIX_SECONDS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)
YEAR_10000 = 253_402_300_800  # what datetime can no longer write


def to_iso(seconds: float) -> str:
    """Write Unix seconds as UTC with milliseconds: `2026-01-31T09:30:00.000Z`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> float:
    """Read ISO 8601 with a zone, or Unix seconds, as Unix seconds.

    Raises ValueError when the text is neither, lies before 1970 or after 9999 (which is what
    milliseconds look like), or names no zone: a local time means another instant on every node.
    """
    seconds = float(text) if _UNIX_SECONDS.fullmatch(text) else _from_calendar(text)
    return check_moment(seconds, text)


def check_moment(seconds: float, written: str = "") -> float:
    """Return Unix seconds that lie between 1970 and 9999; raises ValueError for any others."""
    if not 0 <= seconds < YEAR_10000:
        shown = excerpt(written) or f"{seconds:.15g}"
        raise ValueError(f"'{shown}' is before 1970 or after 9999; write Unix seconds, not milliseconds")
    return seconds


def nearest_moment(seconds: float) -> float:
    """Return the moment between 1970 and 9999 that is nearest: a file's time may be any number."""
    return min(max(seconds, 0.0), YEAR_10000 - 1.0)


def _from_calendar(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"'{excerpt(text)}' is not a time; write ISO 8601 with a zone (2026-01-31T09:30:00Z) "
            "or Unix seconds"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"'{excerpt(text)}' names no time zone; add Z for UTC, or an offset such as +01:00")
    return moment.timestamp()
