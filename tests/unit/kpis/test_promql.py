"""Text in queries: quoted, and narrowed to a session and its services."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.kpis.matchers import parse_matchers
from monitord.kpis.promql import quote, session_matchers


@given(st.text())
def test_what_is_quoted_is_read_back(text: str) -> None:
    fits = parse_matchers(f"a={quote(text)}")
    assert fits({"a": text})
    assert not fits({"a": f"{text}x"})


@pytest.mark.parametrize(
    ("services", "jobs"),
    [
        (("*",), ["triton-1", "vx", "other"]),
        (("triton-*", "v?"), ["triton-1", "vx"]),
        (("a", "*"), ["other"]),
    ],
)
def test_a_session_and_its_services_are_selected(services: tuple[str, ...], jobs: list[str]) -> None:
    fits = parse_matchers(session_matchers('s"1', services))
    assert all(fits({"session": 's"1', "job": job}) for job in jobs)
    assert not fits({"session": "s", "job": jobs[0]})
    assert fits({"session": 's"1', "job": "vxy"}) is ("*" in services)


def test_a_session_is_selected_as_promql_has_it() -> None:
    assert session_matchers("bench01", ("triton-*", "v?")) == r'session="bench01",job=~"triton\\-.*|v."'
