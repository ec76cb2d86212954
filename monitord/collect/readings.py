"""All that is measured of a window while its samples are read: KPIs, coverage, and which metrics there are.

One target after another is added and then forgotten, so that memory is bounded by what is measured. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from monitord.collect.coverage import Identity, TargetCoverage, cover_target, declared_targets, with_unseen
from monitord.collect.request import CollectionRequest
from monitord.kpis.kind import MetricKind, MetricReading, NativeReading, Source
from monitord.kpis.kinds import kind_of
from monitord.kpis.matchers import Fits, parse_matchers
from monitord.kpis.readings.target_samples import Metric, TargetSamples, TargetScrapes
from monitord.recipes.model import Kpi, Recipe

_BODY_SIZE = "scrape_body_size_bytes"


@dataclass(frozen=True, slots=True)
class _Use:
    """What a metric's series are for: a source of a KPI, and the KPI's reading."""

    services: tuple[str, ...]
    source: Source
    fits: Fits | None
    reading: MetricReading
    native: NativeReading | None = None


class Readings:
    """The readings of all KPIs of some recipes, with what was seen of the targets."""

    def __init__(self, request: CollectionRequest) -> None:
        self._request = request
        self._span = request.span
        self._declared = declared_targets(request)
        self._uses: dict[str, list[_Use]] = defaultdict(list)
        self._of_kpi: dict[tuple[str, str], list[tuple[Kpi, MetricReading]]] = {}
        self._coverage: dict[Identity, TargetCoverage] = {}
        self._seen: set[tuple[str, str]] = set()
        self._classic: set[tuple[Identity, str]] = set()
        self._body_bytes: float | None = None
        for recipe in request.recipes:
            for kpi in recipe.kpis:
                self._prepare(recipe, kpi)

    @property
    def scraped_bytes(self) -> int | None:
        """How many bytes all scrapes of the window brought in; None where Prometheus does not count them."""
        return None if self._body_bytes is None else round(self._body_bytes)

    def take(self, target: TargetSamples) -> None:
        """Measure a target, or those of its metrics that were read together."""
        scrapes = target.scrapes
        if scrapes.identity not in self._coverage:
            self._coverage[scrapes.identity] = self._cover(scrapes)
        if not self._is_measurable(scrapes):
            return
        self._take_body_size(target)
        job = scrapes.labels.get("job", "")
        for name, metric in target.counted.items():
            self._note_presence(name, job, target.metrics[name], scrapes)
            for use in self._uses.get(name, ()):
                if (rows := _chosen(use, job, metric)) is not None:
                    use.reading.take(use.source.role, target, rows)
        if self._span.native:
            self._take_native(target, job)

    def _take_native(self, target: TargetSamples, job: str) -> None:
        """Measure native histograms, but for those that come in the classic form as well."""
        identity = target.scrapes.identity
        self._classic.update((identity, name) for name in target.metrics if name.endswith("_count"))
        for name, series in target.histograms.items():
            self._seen.add((name, job))
            if (identity, f"{name}_count") in self._classic:
                continue
            for use in self._uses.get(name, ()):
                chosen = [each for each in series if use.fits is None or use.fits(each.labels)]
                if use.native is not None and chosen and _fits(job, use.services):
                    use.native.take_native(target, chosen)

    def coverage(self) -> tuple[TargetCoverage, ...]:
        """Return the coverage of all targets, with the most resets of a counter that a KPI is read from."""
        resets: dict[Identity, int] = {}
        for _, reading in (each for found in self._of_kpi.values() for each in found):
            for group in reading.groups:
                most = reading.resets(group)
                if most is not None:
                    identity = (group.job, group.instance, group.client)
                    resets[identity] = max(resets.get(identity, 0), most)
        # Samples are read beyond the window's edges: one that came after it, or left before, is none of its.
        seen = (target for target in self._coverage.values() if target.declared or target.scrapes)
        covered = with_unseen(self._request, seen)
        return tuple(replace(target, resets=resets.get(target.identity)) for target in covered)

    def present(self) -> set[tuple[str, str]]:
        """Return the metrics in the window, each with its job."""
        return self._seen

    def chosen(self, recipe: Recipe) -> Recipe:
        """Return a recipe with one metric for each KPI: the first one that the window holds, if any."""
        kpis = tuple(
            self._choose(recipe, kpi)[0] if (recipe.name, kpi.name) in self._of_kpi else kpi
            for kpi in recipe.kpis
        )
        return recipe.model_copy(update={"kpis": kpis})

    def reading(self, recipe: Recipe, kpi: Kpi) -> MetricReading:
        """Return what was read of a KPI, from the first of its metrics that the window holds."""
        return self._choose(recipe, kpi)[1]

    def _choose(self, recipe: Recipe, kpi: Kpi) -> tuple[Kpi, MetricReading]:
        found = self._of_kpi[recipe.name, kpi.name]
        return next((each for each in found if each[1].groups), found[0])

    def _prepare(self, recipe: Recipe, kpi: Kpi) -> None:
        kind = kind_of(kpi.kind)
        if not isinstance(kind, MetricKind):
            return
        for each in kpi.alternatives():
            reading = kind.reading(each, self._request.span_of(recipe))
            self._of_kpi.setdefault((recipe.name, kpi.name), []).append((each, reading))
            for source in kind.sources(each):
                use = _Use(recipe.services, source, _fits_of(source), reading)
                self._uses[source.metric].append(use)
            native = kind.native_source(each) if self._span.native else None
            if native is not None:
                taking = kind.native_reading(reading)
                use = _Use(recipe.services, native, _fits_of(native), reading, taking)
                self._uses[native.metric].append(use)

    def _cover(self, scrapes: TargetScrapes) -> TargetCoverage:
        seconds = (scrapes.times / 1000.0).tolist()
        outcomes = zip(seconds, scrapes.up.tolist(), strict=True)
        declared = self._declared.get(scrapes.identity)
        interval = declared.interval if declared else None
        return cover_target(self._request, scrapes.labels, outcomes, interval)

    def _is_measurable(self, scrapes: TargetScrapes) -> bool:
        """Return whether a target was scraped in the window, or before and after a window without any scrape.

        Of one that failed every time in the window nothing is known but that.
        """
        first, last = np.searchsorted(scrapes.times, (self._span.start_ms, self._span.end_ms + 1))
        if first == last:
            return bool(scrapes.up[:first].any() and scrapes.up[last:].any())
        return bool(scrapes.up[first:last].any())

    def _note_presence(self, name: str, job: str, metric: Metric, scrapes: TargetScrapes) -> None:
        if (name, job) in self._seen:
            return
        first, last = np.searchsorted(scrapes.times, (self._span.start_ms, self._span.end_ms + 1))
        if first == last:  # a window without a scrape is measured by those around it
            first, last = first - 1, last + 1
        if not np.isnan(metric.values[:, first:last]).all():
            self._seen.add((name, job))

    def _take_body_size(self, target: TargetSamples) -> None:
        metric = target.metrics.get(_BODY_SIZE)
        if metric is None:
            return
        times = target.scrapes.times
        first, last = np.searchsorted(times, (self._span.start_ms, self._span.end_ms + 1))
        self._body_bytes = (self._body_bytes or 0.0) + float(np.nansum(metric.values[:, first:last]))


def _chosen(use: _Use, job: str, metric: Metric) -> Metric | None:
    """Return the series that a source selects; None when there are none."""
    if use.native is not None or not _fits(job, use.services):
        return None
    if use.fits is None:
        return metric
    rows: Sequence[int] = [row for row, labels in enumerate(metric.labels) if use.fits(labels)]
    return metric.rows(rows) if rows else None


def _fits_of(source: Source) -> Fits | None:
    return parse_matchers(source.match) if source.match else None


def _fits(job: str, services: Sequence[str]) -> bool:
    return any(fnmatchcase(job, pattern) for pattern in services)
