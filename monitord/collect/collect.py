"""Collecting a window: read its samples once, measure them as they come, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from monitord.collect.collected_window import CollectedWindow, QueryRecord
from monitord.collect.coverage import TargetCoverage
from monitord.collect.queries import Queries, QueryClient
from monitord.collect.readings import Readings
from monitord.collect.reported import reported_rows
from monitord.collect.request import CollectionRequest
from monitord.collect.sample_queries import MAX_SAMPLES, NATIVE_SIZE
from monitord.collect.sample_stream import sample_blocks
from monitord.collect.slo import judge_slo
from monitord.collect.summary import KpiRow, Subject, failed_rows, fitting_targets, kpi_rows
from monitord.collect.timeseries import Course, courses
from monitord.collect.uncertainty import advice
from monitord.collect.verdict import Reason, judge
from monitord.kpis.kind import QueryKind, Reading
from monitord.kpis.kinds import kind_of
from monitord.kpis.readings.target_samples import Identity, TargetSamples, TargetScrapes, targets_of
from monitord.kpis.span import Query, Span
from monitord.prometheus.api.sample_block import SampleBlock
from monitord.prometheus.api.series import Answer
from monitord.recipes.model import Kpi, Recipe
from monitord.recipes.presence import in_force
from monitord.system.clock import SystemClock

T = TypeVar("T")

_CLOCK = SystemClock()
# Prometheus guesses a metric's type from its name, but the recipe defines it. The records keep this warning.
_NAME_GUESS = "metric might not be a counter"


Keep = Callable[[str, SampleBlock], None]
"""Keeps the samples of a job."""
Summarize = Callable[[Sequence[TargetSamples]], None]
"""Summarizes the series of some targets."""


def collect(
    request: CollectionRequest,
    client: QueryClient,
    now: Callable[[], float] = _CLOCK.now,
    extra_reasons: Sequence[Reason] = (),
    keep: Keep = lambda _job, _block: None,
    most: int = MAX_SAMPLES,
    summarize: Summarize = lambda _targets: None,
) -> CollectedWindow:
    """Collect a window.

    The recipes named by the window's marker apply, or else those whose metrics the window has. A
    query that Prometheus refuses is reported as a reason, and costs what it was to read. Every sample that is
    read is passed to `keep`, about `most` at a time, and to `summarize` by target. Raises
    PrometheusUnavailableError when Prometheus cannot answer now: the caller should try again; and what `keep`
    and `summarize` raise.
    """
    queries, start = Queries(client, now), now()
    readings = Readings(request)
    known: dict[Identity, TargetScrapes] = {}
    most = max(1, most // (NATIVE_SIZE if request.native_histograms else 1))
    for job, block in sample_blocks(request.whole, queries, most):
        keep(job, block)
        targets = targets_of(block, known)
        summarize(targets)
        for target in targets:
            known = {target.scrapes.identity: target.scrapes}  # the next block may be about the same target
            readings.take(target)
    return finish(request, readings, queries, start, extra_reasons)


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
    coverage = _with_errors(readings.coverage(), asking)
    of_kpis: list[list[KpiRow]] = []
    over_time: list[Course] = []
    for recipe in request.recipes:
        for kpi in recipe.kpis:
            targets = fitting_targets(coverage, recipe.services)
            subject = Subject(request.window.id, kpi, request.min_coverage, targets, request.max_uncertainty)
            span = request.span_of(recipe)
            read = _reading(recipe, kpi, readings, span, asking)
            of_kpis.append(failed_rows(subject) if read is None else kpi_rows(subject, read))
            if read is not None and any(row.value is not None for row in of_kpis[-1]):
                over_time += courses(request.whole.start_ms, span, kpi, read)
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
        request, rows, coverage, tuple(records), status, reasons, tuple(warnings),
        start, asking.now(), slo, readings.scraped_bytes, tuple(over_time),
        advice(request, rows),
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
