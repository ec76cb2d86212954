"""The PromQL that queries are made of: the matchers of a session, grouping, counters that were born.

Whole-window values come from one instant query at the window's end over a range as long as the
window, to the millisecond: both edges count, nothing from outside does, and counter resets are
accounted for before anything is summed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from monitord.kpis.span import InstantQuery, Span

GROUPING = ("job", "instance", "client", "service", "node", "gpu")
SCOPES: Mapping[str, tuple[str, ...]] = {
    "session": (),
    "client": ("client",),
    "service": ("client", "service"),
    "node": ("node",),
    "gpu": ("node", "gpu"),
}


def quote(value: str) -> str:
    """Write text as a PromQL string."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return f'"{escaped}"'


def session_matchers(session: str, services: tuple[str, ...] = ("*",)) -> str:
    """Return the matchers that select a session's series, of jobs that fit one of the patterns."""
    matchers = f"session={quote(session)}"
    if "*" not in services:
        matchers += f",job=~{quote('|'.join(map(_pattern_to_regex, services)))}"
    return matchers


def grouped(aggregation: str, promql: str, *extra: str) -> str:
    """Aggregate by the labels of a group, and by extra labels."""
    return f"{aggregation} by ({', '.join((*GROUPING, *extra))}) ({promql})"


def up_query(span: Span) -> InstantQuery:
    """Return the query for every scrape of the window, at its true time and with its outcome."""
    return span.at_end(f"up{{{session_matchers(span.session)}}}{span.whole}")


def uncounted_query(counter: str, span: Span) -> InstantQuery:
    """Return the query for the first values of counters that were born in the window.

    An increase leaves them out: it is between samples, and there was none before.
    """
    born = f"min_over_time({counter}{span.whole}) unless last_over_time({counter}{span.around_start})"
    return span.at_end(grouped("sum", born))


def _pattern_to_regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
