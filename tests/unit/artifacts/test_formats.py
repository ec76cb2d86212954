"""CSV and JSON: what is written reads back as the same values, in any reader."""

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.artifacts.formats import cell, count_csv_rows, json_bytes, to_csv

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
NUMBERS = st.floats() | st.integers(-(2**53), 2**53)


def read_back(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


@given(st.lists(st.tuples(TEXT, NUMBERS)))
def test_csv_reads_back_exactly(rows: list[tuple[str, float]]) -> None:
    content = to_csv(("text", "number"), rows)
    header, *found = read_back(content)
    assert header == ["text", "number"]
    assert [text for text, _ in found] == [text for text, _ in rows]
    for (_, written), (_, number) in zip(found, rows, strict=True):
        if math.isnan(number):
            assert written == ""
        else:
            assert float(written) == number
    assert count_csv_rows(content) == len(rows)


def test_csv_as_users_see_it() -> None:
    rows = [("a,b", 0.1 + 0.2, None), ('"', math.inf, 3), ("", -math.inf, math.nan)]
    assert to_csv(("x", "y", "z"), rows) == (b'x,y,z\n"a,b",0.30000000000000004,\n"""",inf,3\n,-inf,\n')


@pytest.mark.parametrize(("content", "rows"), [(b"", 0), (b"a,b\n", 0), (b'a\n"x\ny"\n', 1)])
def test_rows_are_counted_without_the_header(content: bytes, rows: int) -> None:
    assert count_csv_rows(content) == rows


def test_an_integer_stays_one() -> None:
    assert [cell(3), cell(3.0), cell(1e-05)] == ["3", "3.0", "1e-05"]


def test_json_has_null_for_what_is_unknown_and_no_bare_nan() -> None:
    content = json_bytes({"a": [math.nan, None, 1.5], "b": (math.inf, -math.inf), "ü": {"c": 0}})
    assert json.loads(content, parse_constant=pytest.fail) == {
        "a": [None, None, 1.5],
        "b": ["inf", "-inf"],
        "ü": {"c": 0},
    }
    assert content.endswith(b"}\n")
    assert "ü".encode() in content
