"""Matchers that select a session's series and no others."""

from monitord.kpis.promql import session_matchers, up_query
from monitord.kpis.span import Span


def test_the_scrapes_of_a_window() -> None:
    assert up_query(Span("bench01", 1000.0, 1100.123, 5.0)).promql == 'up{session="bench01"}[100123ms]'


def test_a_session_name_cannot_break_out_of_its_quotes() -> None:
    assert session_matchers('a"} or up{\\\n') == r'session="a\"} or up{\\\n"'
