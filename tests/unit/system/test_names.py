"""Which names are valid, and how the others are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.errors import InvalidInputError
from monitord.system.names import check_name, is_name


@given(st.text(max_size=140))
def test_names_are_the_same_everywhere(text: str) -> None:
    ok = is_name(text)
    assert ok == (
        0 < len(text) <= 128
        and text[0].isascii()
        and text[0].isalnum()
        and all(c.isascii() and (c.isalnum() or c in "._-") for c in text)
    )


def test_a_valid_name_is_returned() -> None:
    assert check_name("run_01.a-b", "window") == "run_01.a-b"


@pytest.mark.parametrize("name", ["", ".a", "a/b", "..", "é", "a" * 129, "a\n"])
def test_any_other_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a valid session name; use letters, digits"):
        check_name(name, "session")
