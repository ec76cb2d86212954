"""The numbers of a published summary, derived again from the raw samples beside it.

The same collection is made from the files as was made from Prometheus, whose extrapolation is done
as it does it: what comes out differs by rounding only.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from monitord.artifacts import parquet
from monitord.artifacts.store import read_manifest
from monitord.artifacts.verify import Difference
from monitord.atomic import read_json
from monitord.clock import from_iso
from monitord.collect.collect import collect
from monitord.collect.offline import OfflineClient, StoredSeries
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.errors import InvalidInputError
from monitord.prometheus.command import has_left_open_ranges, has_old_extrapolation
from monitord.recipes.load import read_folder
from monitord.recipes.model import Recipe
from monitord.windows.model import Window

SUMMARY = "metrics_summary.csv"
TOLERANCE = 1e-6
"""By how much, relatively, a derived value may differ: sums are rounded in another order."""
_KEY = ("kpi", "stat", "scope", "client", "service", "node", "gpu")
_BOUNDS = ("bucket_lo", "bucket_hi")


@dataclass(frozen=True, slots=True)
class Derivation:
    """How many rows were derived again, those that differ, and what could not be derived and why."""

    rows: int = 0
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()


def derive(folder: Path) -> Derivation:
    """Derive every row of the summary that can be, from files that are as their manifest says."""
    files = sorted(folder.glob("samples/*/*.parquet"))
    if not files:
        return Derivation(notes=("no raw samples were kept, from which to derive the summary",))
    if not parquet.is_available():
        return Derivation(notes=("deriving the summary takes pyarrow: pip install 'monitord[parquet]'",))
    try:
        request, old = _request(folder)
    except (InvalidInputError, KeyError, TypeError, ValueError) as error:
        return Derivation(notes=(f"the summary was not derived: {type(error).__name__}: {error}",))

    @lru_cache(maxsize=2)
    def read(metric: str) -> Sequence[StoredSeries]:
        return [StoredSeries(*each) for file in files for each in parquet.read_series(file, metric)]

    collection = collect(request, OfflineClient(read, request.left_open, old))
    failed = {row.kpi for row in collection.rows if row.status == "error"}
    ours = {_key(row): row for row in collection.rows if row.kpi not in failed}
    theirs = {
        tuple(row[name] for name in _KEY): row for row in _published(folder) if row["kpi"] not in failed
    }
    differences = tuple(_compare(ours, theirs))
    notes = [f"only a Prometheus can evaluate: {', '.join(sorted(failed))}"] if failed else []
    return Derivation(len(theirs), differences, tuple(notes))


def _compare(
    ours: Mapping[tuple[str, ...], KpiRow], theirs: Mapping[tuple[str, ...], Mapping[str, str]]
) -> Iterator[Difference]:
    for key in ours.keys() | theirs.keys():
        named = " ".join(filter(None, key))
        if key not in theirs:
            yield Difference(SUMMARY, f"{named}: has no row, but the samples give one")
        elif key not in ours:
            yield Difference(SUMMARY, f"{named}: has a row, but the samples give none")
        else:
            for name in _differing(theirs[key], ours[key]):
                told, found = theirs[key][name] or "empty", getattr(ours[key], name)
                yield Difference(SUMMARY, f"{named}: {name} is {told}, the samples give {found}")


def _differing(told: Mapping[str, str], found: KpiRow) -> list[str]:
    # Rounding decides to which of two buckets a quantile on the bound between them belongs.
    on_bound = any(told[name] and _same(told[name], found.value) for name in _BOUNDS)
    names = ("value", "n") if on_bound else ("value", "n", *_BOUNDS)
    return [name for name in names if not _same(told[name], getattr(found, name))]


def _same(told: str, found: float | None) -> bool:
    if found is None or math.isnan(found):
        return told == ""
    # A count may be an increase that was extrapolated to a half, and then rounded.
    most = 1.0 if isinstance(found, int) else 1e-12
    return told != "" and math.isclose(float(told), found, rel_tol=TOLERANCE, abs_tol=most)


def _key(row: KpiRow) -> tuple[str, ...]:
    return tuple(getattr(row, name) for name in _KEY)


def _published(folder: Path) -> list[dict[str, str]]:
    """Return the summary's rows but those that the client reported: they rest on no sample."""
    with (folder / SUMMARY).open(encoding="utf-8", newline="") as file:
        return [row for row in csv.DictReader(file) if not row["kpi"].startswith("reported.")]


def _request(folder: Path) -> tuple[CollectionRequest, bool]:
    """Return what was collected, and whether by a server that extrapolates as old ones do."""
    manifest: dict[str, Any] = read_manifest(folder) or {}
    window, version = manifest["window"], str(manifest["prometheus"]["version"])
    request = CollectionRequest(
        session=manifest["session"],
        window=Window(window["id"], from_iso(window["from"]), from_iso(window["to"])),
        targets=tuple(
            ExpectedTarget(target["url"], target["labels"], target["interval_seconds"])
            for target in manifest["targets"]
            if target["labels"] is not None
        ),
        scrape_interval=manifest["prometheus"]["scrape_interval_seconds"],
        min_coverage=0.0,
        recipes=_recipes(folder),
        left_open=has_left_open_ranges(version),
    )
    return request, has_old_extrapolation(version)


def _recipes(folder: Path) -> tuple[Recipe, ...]:
    """Return the recipes that the summary was made with: not all that there were need be among them."""
    kpis = (read_json(folder / "metrics_summary.json") or {})["kpis"].keys()
    recipes = read_folder(folder / "inputs" / "recipes")
    return tuple(recipe for recipe in recipes if kpis >= {kpi.name for kpi in recipe.kpis})
