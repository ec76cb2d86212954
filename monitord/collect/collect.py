"""Collecting a window: read its samples once, measure them as they come, judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from monitord.collect.collected_window import CollectedWindow, QueryRecord
from monitord.collect.coverage import TargetCoverage
from monitord.collect.readings import Readings
from monitord.collect.reported import reported_rows
from monitord.collect.request import CollectionRequest
from monitord.collect.sample_queries import (
    MAX_SAMPLES,
    NATIVE_SIZE,
    Endpoint,
    SampleQuery,
    metric_queries,
    metrics_query,
    sample_queries,
    scrapes_query,
    sizes,
    sizes_query,
)
from monitord.collect.slo import judge_slo
from monitord.collect.summary import KpiRow, Subject, failed_rows, fitting_targets, kpi_rows
from monitord.collect.timeseries import Course, courses
from monitord.collect.uncertainty import advice
from monitord.collect.verdict import Reason, judge
from monitord.errors import PrometheusError, PrometheusUnavailableError
from monitord.kpis.kind import QueryKind, Reading
from monitord.kpis.kinds import kind_of
from monitord.kpis.readings.target_samples import Identity, TargetScrapes, targets_of
from monitord.kpis.span import InstantQuery, Query, Span
from monitord.prometheus.api.raw_samples import read_samples
from monitord.prometheus.api.sample_block import SampleBlock, to_block
from monitord.prometheus.api.series import Answer
from monitord.recipes.model import Kpi, Recipe
from monitord.recipes.presence import in_force
from monitord.system.clock import SystemClock

T = TypeVar("T")

_CLOCK = SystemClock()
# Prometheus guesses a metric's type from its name, but the recipe defines it. The records keep this warning.
_NAME_GUESS = "metric might not be a counter"


class QueryClient(Protocol):
    """The part of Prometheus's HTTP API that a collection needs; times in Unix seconds.

    All raise PrometheusUnavailableError when asking again later may help, and PrometheusError when
    it will not.
    """

    def query(self, promql: str, at: float) -> Answer:
        """Evaluate at one time."""

    def query_json(self, promql: str, at: float) -> bytes:
        """Evaluate at one time; return the answer as it was sent."""

    def query_range(self, promql: str, start: float, end: float, step: float) -> Answer:
        """Evaluate at every `step` seconds from `start` to `end`."""

    def targets(self) -> list[dict[str, Any]]:
        """Return the active targets."""


Keep = Callable[[str, SampleBlock], None]
"""Keeps the samples of a job."""


def collect(
    request: CollectionRequest,
    client: QueryClient,
    now: Callable[[], float] = _CLOCK.now,
    extra_reasons: Sequence[Reason] = (),
    keep: Keep = lambda _job, _block: None,
    most: int = MAX_SAMPLES,
) -> CollectedWindow:
    """Collect a window.

    The recipes named by the window's marker apply, or else those whose metrics the window has. A
    query that Prometheus refuses is reported as a reason, and costs what it was to read. Every sample that is
    read is passed to `keep`, about `most` at a time. Raises PrometheusUnavailableError when Prometheus cannot
    answer now: the caller should try again; and what `keep` raises.
    """
    asking = _Queries(client, now)
    start = now()
    reading = _Samples(request, asking, max(1, most // (NATIVE_SIZE if request.native_histograms else 1)))
    readings = Readings(request)
    for job, block in reading.blocks():
        keep(job, block)
        for target in targets_of(block, reading.known):
            reading.known = {target.scrapes.identity: target.scrapes}
            readings.take(target)
    return finish(request, readings, asking, start, extra_reasons)


def finish(
    request: CollectionRequest,
    readings: Readings,
    asking: Asking,
    start: float,
    extra_reasons: Sequence[Reason] = (),
) -> CollectedWindow:
    """Return the result of a window of which all samples were read; `asking` evaluates free expressions."""
    chosen = _in_force(request, readings)
    request = replace(request, recipes=chosen)
    span = request.span
    coverage = _with_errors(readings.coverage(), asking)
    of_kpis: list[list[KpiRow]] = []
    over_time: list[Course] = []
    for recipe in request.recipes:
        for kpi in recipe.kpis:
            targets = fitting_targets(coverage, recipe.services)
            subject = Subject(request.window.id, kpi, request.min_coverage, targets, request.max_uncertainty)
            read = _reading(recipe, kpi, readings, span, asking)
            of_kpis.append(failed_rows(subject) if read is None else kpi_rows(subject, read))
            if read is not None and any(row.value is not None for row in of_kpis[-1]):
                over_time += courses(span, kpi, read)
    # What has data comes first: most recipes are for services that a session does not run.
    of_kpis.sort(key=lambda rows: all(row.status == "no_data" for row in rows))
    rows = tuple(row for group in (*of_kpis, reported_rows(request.window)) for row in group)
    status, reasons = judge(request, coverage, (*asking.failures(), *extra_reasons))
    records = asking.records
    warnings = dict.fromkeys(
        text for record in records for text in record.warnings if _NAME_GUESS not in text
    )
    slo = judge_slo(request.window, request.recipes, rows, coverage)
    return CollectedWindow(
        request, rows, coverage, tuple(records), status, reasons, (*warnings, *advice(request, rows)),
        start, asking.now(), slo, readings.scraped_bytes, tuple(over_time),
    )  # fmt: skip


class Asking(Protocol):
    """What evaluates queries for a collection, and records them."""

    records: list[QueryRecord]

    def now(self) -> float:
        """Return the time, in Unix seconds."""

    def ask(self, use: str, query: Query) -> Answer | None:
        """Return the answer, or None when the query was refused."""

    def errors(self) -> Mapping[Identity, str]:
        """Return the error of the last scrape of each target of which it failed."""

    def failures(self) -> list[Reason]:
        """Return a reason for each query that failed."""


def _in_force(request: CollectionRequest, readings: Readings) -> tuple[Recipe, ...]:
    """Return the recipes that apply, with one metric for each KPI."""
    recipes = request.recipes
    if not request.window.recipes:
        recipes = in_force(recipes, readings.present())
    return tuple(readings.chosen(recipe) for recipe in recipes)


def _with_errors(coverage: Sequence[TargetCoverage], asking: Asking) -> tuple[TargetCoverage, ...]:
    if not any(target.failed for target in coverage):
        return tuple(coverage)
    errors = asking.errors()
    return tuple(
        replace(target, error=errors.get(target.identity, "")) if target.failed else target
        for target in coverage
    )


def _reading(recipe: Recipe, kpi: Kpi, readings: Readings, span: Span, asking: Asking) -> Reading | None:
    """Return what was read of a KPI; None when Prometheus refused its expression."""
    kind = kind_of(kpi.kind)
    if not isinstance(kind, QueryKind):
        return readings.reading(recipe, kpi)
    whole: dict[str, Answer] = {}
    for scope, query in kind.queries(kpi, recipe.services, span).items():
        answer = asking.ask(f"{kpi.name}.{scope}", query)
        if answer is None:
            return None
        whole[scope] = answer
    steps = {
        scope: answer
        for scope, query in kind.queries_over_time(kpi, recipe.services, span).items()
        if (answer := asking.ask(f"{kpi.name}.{scope}.over_time", query)) is not None
    }
    return kind.read(whole, steps, span)


class _Samples:
    """Reads the samples of a window, in blocks of whole targets where they fit."""

    def __init__(self, request: CollectionRequest, asking: _Queries, most: int) -> None:
        self._asking = asking
        self._most = most
        self.span = request.span
        self._targets = self._sizes(self.span)
        self.known: dict[Identity, TargetScrapes] = {}

    def blocks(self) -> Iterator[tuple[str, SampleBlock]]:
        """Yield each job's samples, one block after another."""
        for each in self._queries():
            block = self._asking.read("samples", each.query)
            if block is not None:
                yield each.job, block

    def _queries(self) -> Iterator[SampleQuery]:
        for each in sample_queries(self.span, self._targets, self._most):
            if isinstance(each, SampleQuery):
                yield each
                continue
            metrics = self._asking.ask("metrics", metrics_query(self.span, each))
            if metrics is not None:
                yield from metric_queries(self.span, each, self._targets[each], metrics, self._most)

    def _sizes(self, span: Span) -> dict[Endpoint, int]:
        scrapes = self._asking.ask("targets", scrapes_query(span))
        scraped = self._asking.ask("targets", sizes_query(span))
        return sizes(scrapes or Answer(()), scraped or Answer(()))


class _Queries:
    """Sends queries, and records each."""

    def __init__(self, client: QueryClient, now: Callable[[], float]) -> None:
        self._client = client
        self.now = now
        self.records: list[QueryRecord] = []

    def ask(self, use: str, query: Query) -> Answer | None:
        """Return the answer, or None when Prometheus refused the query."""
        return self._recorded(use, query, lambda: _evaluated(self._client, query))

    def read(self, use: str, query: InstantQuery) -> SampleBlock | None:
        """Return raw samples, or None when Prometheus refused the query."""
        return self._recorded(use, query, lambda: _block(self._client, query))

    def errors(self) -> Mapping[Identity, str]:
        """Return the error of the last scrape of each target of which it failed."""
        found: dict[Identity, str] = {}
        with suppress(PrometheusError):
            for target in self._client.targets():
                labels, error = target.get("labels", {}), target.get("lastError")
                if error:
                    found[labels.get("job", ""), labels.get("instance", ""), labels.get("client", "")] = error
        return found

    def failures(self) -> list[Reason]:
        """Return a reason for each query that failed."""
        return [
            Reason("query_failed", f"{record.use}: {record.error}") for record in self.records if record.error
        ]

    def _recorded(self, use: str, query: Query, send: Callable[[], _Sent[T]]) -> T | None:
        asked = self.now()
        record = QueryRecord(use, query, None, 0.0)
        found: T | None = None
        try:
            sent = send()
            found, record = sent.found, replace(record, series=sent.series, warnings=sent.warnings)
        except PrometheusUnavailableError:
            raise
        except PrometheusError as error:
            record = replace(record, error=str(error) or type(error).__name__)
        self.records.append(replace(record, seconds=max(0.0, self.now() - asked)))
        return found


@dataclass(frozen=True, slots=True)
class _Sent(Generic[T]):
    """What came of a query: what was asked for, how many series, and Prometheus's warnings."""

    found: T
    series: int
    warnings: tuple[str, ...]


def _evaluated(client: QueryClient, query: Query) -> _Sent[Answer]:
    if isinstance(query, InstantQuery):
        answer = client.query(query.promql, query.at)
    else:
        answer = client.query_range(query.promql, query.start, query.end, query.step)
    return _Sent(answer, len(answer.series) + len(answer.histograms), answer.warnings)


def _block(client: QueryClient, query: InstantQuery) -> _Sent[SampleBlock]:
    answer = read_samples(client.query_json(query.promql, query.at))
    return _Sent(to_block(answer.series), len(answer.series), tuple(answer.warnings))
