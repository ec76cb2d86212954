"""Durations: what users write, to seconds and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitord.documents.durations import LONGEST_SECONDS, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("5s", 5.0), ("1.5s", 1.5), ("10m", 600.0), ("1h", 3600.0), ("2d", 172800.0)],
)
def test_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "500ms"), (1.5, "1500ms"), (60, "1m"), (90, "90s"), (86400, "1d"), (0, "0ms")],
)
def test_written_as_the_largest_whole_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=int(LONGEST_SECONDS * 1000)))
def test_milliseconds_survive_the_round_trip_exactly(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "5 s", "-5s", "5S", "1h30m", "1e3s", "\u0665s", ".5s", "5.s", "nan", "1w"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a number and its unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["9" * 400 + "s", "36501d"])
def test_more_than_a_century_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than 100 years"):
        parse_duration(text)


@given(st.text(max_size=300).filter(lambda text: "s" not in text))
def test_a_refusal_is_one_short_printable_line(text: str) -> None:
    assume(not re.fullmatch(r"\s*[0-9.]+[mhd]\s*", text))
    with pytest.raises(ValueError, match="is not a duration") as caught:
        parse_duration(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 800
