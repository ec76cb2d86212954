"""Whether the last scrapes of a window have landed. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from monitord.collect.request import ExpectedTarget
from monitord.kpis.promql import session_matchers
from monitord.prometheus.api.series import Answer


def settle_query(session: str) -> str:
    """Return the query for when each target was last scraped, successfully or not."""
    return f"timestamp(up{{{session_matchers(session)}}})"


def are_settled(targets: Iterable[ExpectedTarget], last_scrapes: Answer, end: float) -> bool:
    """Return whether every target has a scrape later than `end` (Unix seconds)."""
    names = ("job", "instance", "client")
    last = {
        tuple(series.labels.get(name, "") for name in names): series.value for series in last_scrapes.series
    }
    return all(last.get(tuple(target.labels[name] for name in names), 0.0) > end for target in targets)
