"""The result of collecting a window."""

from __future__ import annotations

from dataclasses import dataclass

from monitord.collect.coverage import TargetCoverage
from monitord.collect.request import CollectionRequest
from monitord.collect.slo import SloResult
from monitord.collect.summary import KpiRow
from monitord.collect.timeseries import Course
from monitord.collect.verdict import Reason, WindowStatus
from monitord.kpis.span import Query


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """A query that was sent, its purpose, and its outcome.

    `use` is `recipes`, `coverage`, `resets`, `own_cost` or the KPI's name with the role that the answer
    plays in it, and `over_time` where it was asked for each step of the window.
    `series` is None when the query failed; `seconds` is how long the answer took.
    """

    use: str
    query: Query
    series: int | None
    seconds: float
    warnings: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class CollectedWindow:
    """The result of a window; `start` and `end` (Unix seconds) are the time of the collection.

    `request.recipes` are those in force, `advice` is what would make uncertain values certain enough,
    `scraped_bytes` is the size of its scrapes; None is unknown."""

    request: CollectionRequest
    rows: tuple[KpiRow, ...]
    coverage: tuple[TargetCoverage, ...]
    queries: tuple[QueryRecord, ...]
    status: WindowStatus
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    start: float
    end: float
    slo: tuple[SloResult, ...] = ()
    scraped_bytes: int | None = None
    timeseries: tuple[Course, ...] = ()
    advice: tuple[str, ...] = ()
