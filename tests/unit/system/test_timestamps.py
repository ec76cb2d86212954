"""Times as users write them, and as monitord does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.system.timestamps import from_iso, to_iso

_YEAR_2106 = 2**32 * 1000  # milliseconds; beyond, a float of seconds is too coarse


@given(st.integers(min_value=0, max_value=_YEAR_2106))
def test_milliseconds_survive_the_round_trip(milliseconds: int) -> None:
    text = to_iso(milliseconds / 1000)
    assert text.endswith("Z")
    assert len(text) == len("2026-01-31T09:30:00.000Z")
    assert round(from_iso(text) * 1000) == milliseconds


@given(st.floats(min_value=0, max_value=4e9))
def test_what_is_written_is_never_later_than_the_time(seconds: float) -> None:
    assert -2e-6 < seconds - from_iso(to_iso(seconds)) < 0.001 + 2e-6


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1769851800", 1769851800.0),
        ("1769851800.25", 1769851800.25),
        ("2026-01-31T09:30:00Z", 1769851800.0),
        ("2026-01-31T10:30:00+01:00", 1769851800.0),
        ("2026-01-31 09:30:00.5Z", 1769851800.5),
    ],
)
def test_the_forms_users_write(text: str, seconds: float) -> None:
    assert from_iso(text) == seconds


@pytest.mark.parametrize("text", ["2026-01-31T09:30:00", "2026-01-31"])
def test_a_time_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names no time zone; add Z"):
        from_iso(text)


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", "1e9", "-5", "noon", "", "٣", "\x1b[2J"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time; write ISO 8601 with a zone") as caught:
        from_iso(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", ["1769851800000", "1969-12-31T23:59:59Z"])
def test_milliseconds_and_the_sixties_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="before 1970 or after 9999"):
        from_iso(text)


@given(st.text(max_size=30) | st.from_regex(r"[0-9T:.Z+-]{1,30}", fullmatch=True))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    try:
        seconds = from_iso(text)
    except ValueError:
        return
    assert to_iso(seconds)
