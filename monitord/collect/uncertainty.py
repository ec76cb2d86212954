"""What would make a number certain enough, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitord.collect.request import CollectionRequest
from monitord.collect.summary import KpiRow
from monitord.kpis import estimate as why

MAX_ADVICE = 5


def advice(request: CollectionRequest, rows: Sequence[KpiRow]) -> tuple[str, ...]:
    """Return for rows of the session that are uncertain which scrape interval or window length would do."""
    found = list(_each(request, [row for row in rows if row.scope == "session"]))
    more = len(found) - MAX_ADVICE
    return (*found[:MAX_ADVICE], *([f"{more} more values are as uncertain"] if more > 0 else []))


def _each(request: CollectionRequest, rows: Sequence[KpiRow]) -> Iterator[str]:
    for row in rows:
        # Extremes are those of a part of the window: a longer window has more parts, not longer ones.
        is_extreme = row.stat in {"min", "max"}
        if row.reason != why.EDGE_UNCERTAIN or is_extreme or row.value_lo is None or row.value_hi is None:
            continue
        between = (
            f"{row.kpi}.{row.stat} lies between {row.value_lo:g} and {row.value_hi:g} {row.unit}".rstrip()
        )
        if not row.value:
            yield f"{between}: what was counted at the window's edges is not known"
            continue
        # Bounds are about as far apart as two scrapes at the edges: the width falls with either.
        factor = (row.value_hi - row.value_lo) / abs(row.value) / request.max_uncertainty
        interval, length = request.span.interval / factor, request.span.seconds * factor
        yield (
            f"{between}, more than {request.max_uncertainty:.0%} apart: scrape every {_seconds(interval)}"
            f" or measure for {_seconds(length)}"
        )


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s"
