"""The numbers of a published summary, derived again from the raw samples beside it.

The window is measured again, by the same engine, with the files in place of Prometheus.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.artifacts import parquet
from monitord.artifacts.derive_series import SeriesDerivation
from monitord.artifacts.formats import read_csv
from monitord.artifacts.layout import HISTOGRAMS, INPUTS, SAMPLES, SERIES, SUMMARY, SUMMARY_JSON, TIMESERIES
from monitord.artifacts.store import read_manifest
from monitord.artifacts.verify import Difference
from monitord.collect.collect import finish
from monitord.collect.collected_window import CollectedWindow, QueryRecord
from monitord.collect.readings import Readings
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.collect.timeseries import TimePoint
from monitord.collect.verdict import Reason
from monitord.errors import InvalidInputError
from monitord.kpis.readings.target_samples import Identity, TargetScrapes, targets_of
from monitord.kpis.span import Query
from monitord.prometheus.api.version import has_left_open_ranges
from monitord.recipes.load import read_folder
from monitord.recipes.model import Recipe
from monitord.system.atomic import read_json
from monitord.system.listing import files_below
from monitord.system.timestamps import from_iso
from monitord.windows.model import Window

Key = tuple[str, ...]
Row = KpiRow | TimePoint
TOLERANCE = 1e-6
"""By how much, relatively, a derived value may differ: sums are rounded in another order."""
_KEY = ("kpi", "stat", "scope", "client", "service", "node", "gpu")
_BOUNDS = ("bucket_lo", "bucket_hi", "value_lo", "value_hi")


@dataclass(frozen=True, slots=True)
class Derivation:
    """The derived rows of the summary and points over time, and those that differ.

    `notes` explain what could not be derived.
    """

    rows: int = 0
    points: int = 0
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


def derive(folder: Path) -> Derivation:
    """Derive the summary and the time series as far as possible, from unchanged files."""
    files = _parquet_below(folder / SAMPLES)
    if not files:
        return Derivation(notes=("no raw samples were kept, from which to derive the summary",))
    try:
        request = _request(folder)
    except (InvalidInputError, KeyError, TypeError, ValueError) as error:
        return Derivation(notes=(f"the summary was not derived: {type(error).__name__}: {error}",))
    series = SeriesDerivation(folder, request.span) if (folder / SERIES).exists() else None
    collection = _measured(request, files, _parquet_below(folder / HISTOGRAMS), series)
    failed = {row.kpi for row in collection.rows if row.status == "error"}
    differences = list(series.differences()) if series else []
    compared = []
    for name, rows, key in (
        (SUMMARY, collection.rows, _KEY),
        (
            TIMESERIES,
            [point for course in collection.timeseries for point in course.points()],
            (*_KEY, "timestamp"),
        ),
    ):
        ours = {tuple(getattr(row, each) for each in key): row for row in rows if row.kpi not in failed}
        published = (row for row in _published(folder / name) if row["kpi"] not in failed)
        theirs = {tuple(row[each] for each in key): row for row in published}
        differences += (Difference(name, message) for message in _compare(ours, theirs))
        compared.append(len(theirs))
    notes = [f"only a Prometheus can evaluate: {', '.join(sorted(failed))}"] if failed else []
    return Derivation(compared[0], compared[1], tuple(sorted(differences)), tuple(notes))


def _parquet_below(folder: Path) -> list[Path]:
    return [file for file in files_below(folder, missing_ok=True) if file.suffix == ".parquet"]


def _measured(
    request: CollectionRequest,
    files: Sequence[Path],
    histograms: Sequence[Path],
    series: SeriesDerivation | None,
) -> CollectedWindow:
    readings = Readings(request)
    known: dict[Identity, TargetScrapes] = {}
    for block in parquet.read_blocks(files, histograms):
        for target in targets_of(block, known):
            known[target.scrapes.identity] = target.scrapes
            readings.take(target)
            if series is not None:
                series.take(target)
    return finish(request, readings, _NoServer(), 0.0)


class _NoServer:
    """Refuses all queries, as only a Prometheus could evaluate them."""

    def __init__(self) -> None:
        self.records: list[QueryRecord] = []

    def now(self) -> float:
        return 0.0

    def ask(self, use: str, query: Query) -> None:
        """Return None: the query is refused."""

    def errors(self) -> Mapping[Identity, str]:
        return {}

    def failures(self) -> list[Reason]:
        return []


def _compare(ours: Mapping[Key, Row], theirs: Mapping[Key, Mapping[str, str]]) -> Iterator[str]:
    for key in ours.keys() | theirs.keys():
        named = " ".join(filter(None, key))
        if key not in theirs:
            yield f"{named}: has no row, but the samples give one"
        elif key not in ours:
            yield f"{named}: has a row, but the samples give none"
        else:
            for name in _differing(theirs[key], ours[key]):
                published, found = theirs[key][name] or "empty", getattr(ours[key], name)
                yield f"{named}: {name} is {published}, the samples give {found}"


def _differing(published: Mapping[str, str], found: Row) -> list[str]:
    if isinstance(found, TimePoint):
        names: tuple[str, ...] = ("value",)
    else:
        names = ("value", "n", *_BOUNDS)
    return [name for name in names if not _same(published[name], getattr(found, name))]


def _same(published: str, found: float | None) -> bool:
    if found is None or math.isnan(found):
        return published == ""
    # A count may be an increase that was interpolated to a half, and then rounded.
    most = 1.0 if isinstance(found, int) else 1e-12
    try:
        return math.isclose(float(published), found, rel_tol=TOLERANCE, abs_tol=most)
    except ValueError:
        return False


def _published(file: Path) -> list[dict[str, str]]:
    """Return a table's rows without those that the client reported, which have no samples."""
    with file.open(encoding="utf-8", newline="") as rows:
        return [row for row in read_csv(rows) if not row["kpi"].startswith("reported.")]


def _request(folder: Path) -> CollectionRequest:
    """Return the original request."""
    manifest: dict[str, Any] = read_manifest(folder) or {}
    window, version = manifest["window"], str(manifest["prometheus"]["version"])
    recipes = _recipes(folder)
    asked_for = tuple(recipe.name for recipe in recipes)
    return CollectionRequest(
        session=manifest["session"],
        window=Window(
            window["id"],
            from_iso(window["from"]),
            from_iso(window["to"]),
            recipes=asked_for,
            warmup=window.get("warmup_seconds", 0.0),
            cooldown=window.get("cooldown_seconds", 0.0),
        ),
        targets=tuple(
            ExpectedTarget(target["url"], target["labels"], target["interval_seconds"])
            for target in manifest["targets"]
            if target["labels"] is not None
        ),
        scrape_interval=manifest["prometheus"]["scrape_interval_seconds"],
        min_coverage=0.0,
        recipes=recipes,
        left_open=has_left_open_ranges(version),
        native_histograms=manifest["prometheus"].get("native_histograms", False),
        skew=manifest.get("skew_seconds") or 0.0,
    )


def _recipes(folder: Path) -> tuple[Recipe, ...]:
    """Return the recipes that the summary was made with, which may not be all that there were."""
    kpis = (read_json(folder / SUMMARY_JSON) or {})["kpis"].keys()
    recipes = read_folder(folder / INPUTS / "recipes")
    return tuple(recipe for recipe in recipes if kpis >= {kpi.name for kpi in recipe.kpis})
