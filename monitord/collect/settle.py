"""Whether the last scrapes of a window have landed. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from monitord.collect.request import ExpectedTarget
from monitord.kpis.promql import session_matchers
from monitord.prometheus.api.series import Answer


def settle_query(session: str) -> str:
    """Return the query for when each target was last scraped, successfully or not."""
    return f"timestamp(up{{{session_matchers(session)}}})"


SLACK_SECONDS = 0.05
"""Markers and scrapes are dated by clocks that may be so far apart without anybody's notice."""


def are_settled(targets: Iterable[ExpectedTarget], last_scrapes: Answer, end: float) -> bool:
    """Return whether every target has a scrape that is certainly later than `end` (Unix seconds)."""
    names = ("job", "instance", "client")
    last = {
        tuple(series.labels.get(name, "") for name in names): series.value for series in last_scrapes.series
    }
    after = end + SLACK_SECONDS
    return all(last.get(tuple(target.labels[name] for name in names), 0.0) > after for target in targets)
