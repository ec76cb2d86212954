"""CSV and JSON: what is written reads back as the same values, in any reader."""

import csv
import io
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.artifacts.formats import cell, count_csv_rows, json_bytes, read_csv, to_csv

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
NUMBERS = st.floats() | st.integers(-(2**53), 2**53)


def read_back(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
FORMULAS = st.builds("{}{}{}".format, st.sampled_from(["", "'", "''"]), st.sampled_from(BEGINNINGS), TEXT)


@given(st.lists(st.tuples(TEXT | FORMULAS, NUMBERS)))
def test_csv_reads_back_exactly(rows: list[tuple[str, float]]) -> None:
    content = to_csv(("text", "number"), rows)
    found = read_csv(io.StringIO(content.decode(), newline=""))
    assert [row["text"] for row in found] == [text for text, _ in rows]
    for written, (_, number) in zip((row["number"] for row in found), rows, strict=True):
        if math.isnan(number):
            assert written == ""
        else:
            assert float(written) == number
    assert count_csv_rows(content) == len(rows)


@given(st.lists(st.tuples(TEXT | FORMULAS, NUMBERS)))
def test_no_text_is_a_formula_to_a_spreadsheet_and_every_number_is_a_number(
    rows: list[tuple[str, float]],
) -> None:
    header, *found = read_back(to_csv(("text", "number"), rows))
    assert header == ["text", "number"]
    for (text, number), (written, value) in zip(found, rows, strict=True):
        assert not text.startswith(BEGINNINGS)
        assert text in {written, f"'{written}"}
        assert number == ("" if math.isnan(value) else repr(value))


def test_what_others_would_have_a_spreadsheet_run_is_text() -> None:
    rows = [('=HYPERLINK("http://x")', -1.5), ("'=1", -math.inf), ("'tis", 1), ("1/s", 0), ("-", None)]
    content = to_csv(("x", "y"), rows)
    assert content == b'x,y\n"\'=HYPERLINK(""http://x"")",-1.5\n\'\'=1,-inf\n\'tis,1\n1/s,0\n\'-,\n'
    assert [row["x"] for row in read_csv(content.decode().splitlines())] == [text for text, _ in rows]


def test_a_table_with_too_few_and_too_many_fields_is_read_as_far_as_it_goes() -> None:
    assert read_csv(["a,b", "1", "1,2,3"]) == [{"a": "1", "b": ""}, {"a": "1", "b": "2"}]


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
