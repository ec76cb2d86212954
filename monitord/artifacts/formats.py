"""CSV and JSON as monitord publishes them, so that every common reader sees the same numbers.

Floats are written by `repr`: the shortest text that reads back as exactly the same number. Spreadsheets
execute text that begins like a formula, and anybody can write labels: such text gets a leading quote,
which `read_csv` removes. Numbers are never text here, so -1.5 stays as it is.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from monitord.system.printable import shown_json

Cell = str | float | int | None
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")  # noqa: RUF001  # the wide ones count as well
_QUOTED = re.compile('[,"\r\n]')


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """Write UTF-8 CSV with one header line and `\\n` line ends.

    An unknown value (None, NaN) is an empty field, an infinite one is `inf` or `-inf`.
    """
    lines = [csv_line(columns), *map(csv_line, rows)]
    return "".join(f"{line}\n" for line in lines).encode()


def csv_line(row: Sequence[Cell]) -> str:
    """Return a row's text, without the end of its line."""
    return ",".join([_field(value) if isinstance(value, str) else cell(value) for value in row])


def cell(value: Cell) -> str:
    """Return the text of one value, not yet quoted."""
    if value is None or value != value:  # noqa: PLR0124  # only NaN differs from itself
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


@lru_cache(maxsize=4096)  # most texts of a table are in many of its rows
def _field(text: str) -> str:
    if _FORMULA.match(text):
        text = f"'{text}"
    # csv.writer leaves a lone carriage return unquoted before Python 3.13, and readers split there.
    if _QUOTED.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def read_csv(lines: Iterable[str]) -> list[dict[str, str]]:
    """Return the rows of a table as they were before they were written."""
    rows = csv.DictReader(lines, restkey="", restval="")
    return [{name: _text(field) for name, field in row.items() if name} for row in rows]


def _text(field: str) -> str:
    return field[1:] if field.startswith("'") and _FORMULA.match(field) else field


def count_csv_rows(content: bytes) -> int:
    """Return how many rows follow the header line."""
    unquoted = content.split(b'"')[::2]  # a quote inside quotes is doubled, so it splits twice
    return max(0, sum(part.count(b"\n") for part in unquoted) - 1)


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
    # As json.dumps with an indent of 1, which is written in Python, and takes ten times as long.
    content = msgspec.json.format(msgspec.json.encode(json_value(value)), indent=1) + b"\n"
    return content if content.isascii() and b"\x7f" not in content else shown_json(content.decode()).encode()
