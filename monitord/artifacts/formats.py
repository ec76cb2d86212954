"""CSV and JSON as monitord publishes them, so that every common reader sees the same numbers.

Floats are written by `repr`: the shortest text that reads back as exactly the same number.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from monitord.atomic import to_json

Cell = str | float | int | None


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Write UTF-8 CSV with one header line and `\\n` line ends.

    An unknown value (None, NaN) is an empty field, an infinite one is `inf` or `-inf`.
    """
    lines = [",".join(map(_field, columns))]
    lines += [",".join(_field(cell(value)) for value in row) for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()


def cell(value: Cell) -> str:
    """Return the text of one value, not yet quoted."""
    if value is None or value != value:  # noqa: PLR0124  # only NaN differs from itself
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def _field(text: str) -> str:
    # csv.writer leaves a lone carriage return unquoted before Python 3.13, and readers split there.
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def count_csv_rows(content: bytes) -> int:
    """Return how many rows follow the header line."""
    reader = csv.reader(io.StringIO(content.decode(), newline=""))
    return max(0, sum(1 for _ in reader) - 1)


def json_value(value: Any) -> Any:
    """Return plain values fit for JSON: NaN becomes null, infinity the text `inf`, as in CSV."""
    match value:
        case float() if math.isnan(value):
            return None
        case float() if math.isinf(value):
            return cell(value)
        case Mapping():
            return {str(key): json_value(item) for key, item in value.items()}
        case list() | tuple():
            return [json_value(item) for item in value]
        case _:
            return value


def json_bytes(value: Any) -> bytes:
    """Write JSON that every reader accepts."""
    return to_json(json_value(value))
