"""The files of a window's artifacts, made from its collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from operator import attrgetter
from typing import Any

from monitord.artifacts.formats import csv_line, json_bytes, to_csv
from monitord.artifacts.layout import COVERAGE, INPUTS, QUERIES, SUMMARY, SUMMARY_JSON, TIMESERIES
from monitord.collect import timeseries
from monitord.collect.collected_window import CollectedWindow, QueryRecord
from monitord.collect.coverage import TargetCoverage
from monitord.collect.summary import COLUMNS
from monitord.collect.timeseries import Course
from monitord.kpis.kinds import kind_of
from monitord.kpis.span import InstantQuery
from monitord.recipes.model import Kpi
from monitord.system.timestamps import to_iso

SUMMARY_SCHEMA = "monitord/metrics_summary/v1"
QUERIES_SCHEMA = "monitord/queries/v1"
_cells = attrgetter(*COLUMNS)
_IN_ROWS = {"name", "stats", "by"}  # these fields of a KPI are columns of its rows
COVERAGE_COLUMNS = (
    "job",
    "instance",
    "client",
    "service",
    "node",
    "expected_scrapes",
    "scrapes",
    "up_ratio",
    "longest_gap_s",
    "resets",
    "first_seen",
    "last_seen",
    "not_made",
    "failed",
    "error",
)


def window_files(collection: CollectedWindow, inputs: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the content of each file by its path in the artifact folder, the manifest excepted.

    `inputs` are what the window was measured from, by file name. They are published as they are:
    nothing secret may be among them.
    """
    files = {
        SUMMARY: to_csv(COLUMNS, map(_cells, collection.rows)),
        SUMMARY_JSON: json_bytes(summary(collection)),
        COVERAGE: to_csv(
            COVERAGE_COLUMNS,
            (
                [values[name] for name in COVERAGE_COLUMNS]
                for values in map(coverage_values, collection.coverage)
            ),
        ),
        TIMESERIES: _timeseries(collection.timeseries),
        QUERIES: json_bytes(queries(collection)),
    }
    return files | {f"{INPUTS}/{name}": content for name, content in inputs.items()}


def _timeseries(courses: Iterable[Course]) -> bytes:
    """Write all points: most of a row is the same for a whole course, and is written once."""
    lines = [csv_line(timeseries.COLUMNS)]
    moment_line = lru_cache(csv_line)  # and each moment is in many courses
    for course in courses:
        what = csv_line(course.what)
        moments = map(moment_line, course.moments)
        lines += [
            f"{at},{what}," if value is None else f"{at},{what},{value!r}"
            for at, value in zip(moments, course.values, strict=True)
        ]
    return "".join(f"{line}\n" for line in lines).encode()


def summary(collection: CollectedWindow) -> dict[str, Any]:
    """Return the summary for programs: what each KPI is, and its rows."""
    kpis = [kpi for recipe in collection.request.recipes for kpi in recipe.kpis]
    return {
        "schema": SUMMARY_SCHEMA,
        "run_id": collection.request.window.id,
        "status": collection.status,
        "kpis": {kpi.name: _kpi(kpi) for kpi in kpis},
        "slo": [asdict(result) for result in collection.slo],
        "advice": list(collection.advice),
        "rows": [dict(zip(COLUMNS, _cells(row), strict=True)) for row in collection.rows],
    }


def _kpi(kpi: Kpi) -> dict[str, Any]:
    """Return what a KPI is, with the one metric that it was read from."""
    return {"metric": kpi.metric, **kpi.model_dump(mode="json", exclude={*_IN_ROWS, "sources"})}


def queries(collection: CollectedWindow) -> dict[str, Any]:
    """Return every query that was made, and the PromQL that comes nearest to each KPI."""
    request = collection.request
    return {
        "schema": QUERIES_SCHEMA,
        "run_id": collection.request.window.id,
        "started": to_iso(collection.start),
        "ended": to_iso(collection.end),
        "queries": [_query(record) for record in collection.queries],
        "kpis": {
            kpi.name: {
                "at": to_iso(request.span_of(recipe).end),
                "promql": kind_of(kpi.kind).nearest_promql(kpi, recipe.services, request.span_of(recipe)),
            }
            for recipe in request.recipes
            for kpi in recipe.kpis
        },
    }


def coverage_values(target: TargetCoverage) -> dict[str, Any]:
    """Return a target's coverage with its times as they are published."""
    seen = {
        name: None if seconds is None else to_iso(seconds)
        for name, seconds in (("first_seen", target.first_seen), ("last_seen", target.last_seen))
    }
    return asdict(target) | seen | {"not_made": target.not_made, "failed": target.failed}


def _query(record: QueryRecord) -> dict[str, Any]:
    query = record.query
    asked: dict[str, Any] = {"use": record.use, "promql": query.promql}
    if isinstance(query, InstantQuery):
        asked |= {"kind": "instant", "at": to_iso(query.at)}
    else:
        times = {"start": to_iso(query.start), "end": to_iso(query.end), "step": query.step}
        asked |= {"kind": "range", **times}
    return asked | {
        "series": record.series,
        "seconds": record.seconds,
        "warnings": record.warnings,
        "error": record.error or None,
    }
