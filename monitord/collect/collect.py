"""Collecting a window: ask Prometheus, read the answers, judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from monitord.collect.collected_window import CollectedWindow, QueryRecord
from monitord.collect.cost import scraped_bytes_query
from monitord.collect.coverage import TargetCoverage, cover_targets
from monitord.collect.reported import reported_rows
from monitord.collect.request import CollectionRequest
from monitord.collect.slo import judge_slo
from monitord.collect.summary import KpiRow, Subject, failed_rows, fitting_targets, kpi_rows
from monitord.collect.timeseries import Course, over_time
from monitord.collect.verdict import Reason, judge
from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.kpis.kinds import kind_of
from monitord.kpis.promql import up_query
from monitord.kpis.span import InstantQuery, Query
from monitord.prometheus.api.series import Answer
from monitord.recipes.model import Kpi, Recipe
from monitord.recipes.presence import in_force, presence_query
from monitord.system.clock import SystemClock

_CLOCK = SystemClock()
# Prometheus guesses a metric's type from its name, but the recipe defines it. The records keep this warning.
_NAME_GUESS = "metric might not be a counter"


class QueryClient(Protocol):
    """The part of Prometheus's HTTP API that a collection needs; times in Unix seconds.

    Both raise PrometheusUnavailableError when asking again later may help, and PrometheusError when
    it will not.
    """

    def query(self, promql: str, at: float) -> Answer:
        """Evaluate at one time."""

    def query_range(self, promql: str, start: float, end: float, step: float) -> Answer:
        """Evaluate at every `step` seconds from `start` to `end`."""


def collect(
    request: CollectionRequest,
    client: QueryClient,
    now: Callable[[], float] = _CLOCK.now,
    extra_reasons: Sequence[Reason] = (),
) -> CollectedWindow:
    """Collect a window.

    The recipes named by the window's marker apply, or else those whose metrics the window has. A
    query that Prometheus refuses leaves its KPI without values, and is reported as a reason. Raises
    PrometheusUnavailableError when Prometheus cannot answer now: the caller should try again.
    """
    start = now()
    asking = _Queries(client, now)
    request = replace(request, recipes=_in_force(request, asking))
    coverage = _coverage(request, asking)
    scraped = asking.ask("own_cost", scraped_bytes_query(request.span))
    of_kpis = [
        _rows_of(request, recipe, kpi, coverage, asking) for recipe in request.recipes for kpi in recipe.kpis
    ]
    courses = _over_time(request, of_kpis, coverage, asking)
    # What has data comes first: most recipes are for services that a session does not run.
    of_kpis.sort(key=lambda rows: all(row.status == "no_data" for row in rows))
    rows = tuple(row for group in (*of_kpis, reported_rows(request.window)) for row in group)
    status, reasons = judge(request, coverage, (*asking.failures(), *extra_reasons))
    warnings = dict.fromkeys(
        text for record in asking.records for text in record.warnings if _NAME_GUESS not in text
    )
    records = tuple(asking.records)
    scraped_bytes = round(scraped.series[0].value) if scraped and scraped.series else None
    slo = judge_slo(request.window, request.recipes, rows, coverage)
    return CollectedWindow(
        request, rows, coverage, records, status, reasons, tuple(warnings), start, now(), slo,
        scraped_bytes, courses,
    )  # fmt: skip


def _in_force(request: CollectionRequest, asking: _Queries) -> tuple[Recipe, ...]:
    query = None if request.window.recipes else presence_query(request.recipes, request.span)
    if query is None:
        return request.recipes
    return in_force(request.recipes, asking.ask("recipes", query) or Answer(()))


def _coverage(request: CollectionRequest, asking: _Queries) -> tuple[TargetCoverage, ...]:
    span = request.span
    up = asking.ask("coverage", up_query(span))
    queries = dict.fromkeys(
        query
        for recipe in request.recipes
        for kpi in recipe.kpis
        for query in kind_of(kpi.kind).resets_queries(kpi, recipe.services, span)
    )
    resets = [answer for query in queries if (answer := asking.ask("resets", query))]
    # Without the outcomes of scrapes nothing is known about targets: no rows, rather than zeros.
    return cover_targets(request, up, resets) if up else ()


def _rows_of(
    request: CollectionRequest,
    recipe: Recipe,
    kpi: Kpi,
    coverage: Sequence[TargetCoverage],
    asking: _Queries,
) -> list[KpiRow]:
    targets = fitting_targets(coverage, recipe.services)
    subject = Subject(request.window.id, kpi, request.min_coverage, targets)
    kind = kind_of(kpi.kind)
    answers: dict[str, Answer] = {}
    for role, query in kind.queries(kpi, recipe.services, request.span).items():
        answer = asking.ask(f"{kpi.name}.{role}", query)
        if answer is None:
            return failed_rows(subject)
        answers[role] = answer
    return kpi_rows(subject, kind.read(answers, request.span))


def _over_time(
    request: CollectionRequest,
    of_kpis: Sequence[Sequence[KpiRow]],
    coverage: Sequence[TargetCoverage],
    asking: _Queries,
) -> tuple[Course, ...]:
    """Return the values over time of the KPIs that have any value."""
    known = {row.kpi for rows in of_kpis for row in rows if row.value is not None}
    return tuple(
        course
        for recipe in request.recipes
        for kpi in recipe.kpis
        if kpi.name in known
        for course in over_time(request, recipe, kpi, len(coverage), asking.ask)
    )


class _Queries:
    """Sends each query once, and records it."""

    def __init__(self, client: QueryClient, now: Callable[[], float]) -> None:
        self._client = client
        self._now = now
        self._answers: dict[Query, Answer | None] = {}
        self.records: list[QueryRecord] = []

    def ask(self, use: str, query: Query) -> Answer | None:
        """Return the answer, or None when Prometheus refused the query."""
        if query not in self._answers:
            self._answers[query] = self._ask_first(use, query)
        return self._answers[query]

    def failures(self) -> list[Reason]:
        """Return a reason for each query that failed."""
        return [
            Reason("query_failed", f"{record.use}: {record.error}") for record in self.records if record.error
        ]

    def _ask_first(self, use: str, query: Query) -> Answer | None:
        asked = self._now()
        record = QueryRecord(use, query, None, 0.0)
        answer: Answer | None = None
        try:
            answer = self._send(query)
            record = replace(
                record, series=len(answer.series) + len(answer.histograms), warnings=answer.warnings
            )
        except PrometheusUnavailableError:
            raise
        except PrometheusError as error:
            record = replace(record, error=str(error) or type(error).__name__)
        self.records.append(replace(record, seconds=max(0.0, self._now() - asked)))
        return answer

    def _send(self, query: Query) -> Answer:
        if isinstance(query, InstantQuery):
            return self._client.query(query.promql, query.at)
        return self._client.query_range(query.promql, query.start, query.end, query.step)
