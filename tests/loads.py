"""Random loads on simulated services, and what Prometheus has of them after its scrapes.

Every observation is known, so that the truth of a window can be computed, and compared with what is measured.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from random import Random
from typing import Any

from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.span import Span
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.recipes.model import Recipe
from monitord.windows.model import Window
from tests.fakes.sample_client import Stored, stored

LAYOUTS = ((0.1, 0.5, 1.0, math.inf), (0.25, 0.5, 2.0, math.inf), (1.0, math.inf))
INTERVALS = (0.5, 1.0, 5.0, 15.0)
WINDOWS = (10, 100)  # seconds
TIMESTAMP_LEAD = 0.003
"""Prometheus dates a scrape up to 2 ms before it starts, and cuts that to whole milliseconds."""
RECIPE = Recipe.model_validate(
    {"name": "r", "help": "h", "kpis": [
        {"name": "requests", "help": "h", "unit": "x/s", "kind": "counter", "metric": "requests_total",
         "stats": ["mean", "min", "max", "total"], "by": ["client"]},
        {"name": "failed", "help": "h", "unit": "%", "kind": "counter", "metric": "requests_total",
         "match": 'code="5"', "per": "requests_total", "scale": 100, "stats": ["mean", "min", "max"],
         "by": ["client"]},
        {"name": "busy", "help": "h", "unit": "s", "kind": "counter", "metric": "busy_seconds_total",
         "per": "requests_total", "stats": ["mean", "min", "max"], "by": ["client"]},
        {"name": "latency", "help": "h", "unit": "s", "kind": "histogram", "metric": "latency",
         "stats": ["mean", "count", "total", "p50", "p99", "under 500 ms"], "by": ["client"]},
    ]}
)  # fmt: skip


@dataclass
class Service:
    """A service: when it served a request (Unix seconds), how long each took, and its code."""

    client: str
    times: list[float]
    seconds: list[float]
    codes: list[str]
    restarts: list[float]
    born: float
    died: float
    layout: Sequence[float]
    native: bool

    @property
    def target(self) -> dict[str, str]:
        return {"job": "web", "instance": f"{self.client}:1", "client": self.client}

    def between(self, start: float, end: float) -> range:
        return range(bisect_left(self.times, start), bisect_left(self.times, end))

    @cached_property
    def _totals(self) -> dict[object, list[float]]:
        """What all requests before each one come to: by code, by bucket bound, and their seconds."""
        found: dict[object, list[float]] = {"seconds": list(accumulate(self.seconds, initial=0.0))}
        for code in ("2", "5"):
            found[code] = list(accumulate((float(each == code) for each in self.codes), initial=0.0))
        for bound in (0.0, *self.layout):
            found[bound] = list(accumulate((float(x <= bound) for x in self.seconds), initial=0.0))
        return found

    def exported(self, read: float) -> Iterator[tuple[tuple[tuple[str, str], ...], float | RawHistogram]]:
        """Yield what the service exports when it is read: the labels of each series, and its value."""
        since = max((restart for restart in self.restarts if restart <= read), default=-math.inf)
        yield (("__name__", "process_start_time_seconds"),), max(since, self.born, 1.0)
        first, last = bisect_left(self.times, since), bisect_right(self.times, read)
        total = {name: found[last] - found[first] for name, found in self._totals.items()}
        for code in ("2", "5"):
            if total[code] or code == "2":
                yield (("__name__", "requests_total"), ("code", code)), total[code]
        yield (("__name__", "busy_seconds_total"),), total["seconds"]
        if self.native:
            buckets = [
                (0, str(low), "+Inf" if math.isinf(high) else str(high), str(round(total[high] - total[low])))
                for low, high in pairwise((0.0, *self.layout))
                if total[high] > total[low]
            ]
            yield (("__name__", "latency"),), RawHistogram(str(last - first), repr(total["seconds"]), buckets)
            return
        yield (("__name__", "latency_count"),), float(last - first)
        yield (("__name__", "latency_sum"),), total["seconds"]
        for bound in self.layout:
            le = "+Inf" if math.isinf(bound) else str(bound)
            yield (("__name__", "latency_bucket"), ("le", le)), total[bound]


@dataclass
class Load:
    """Services under load in a window, and their samples.

    `intervals` are those at which each is scraped. The markers' clock is `off` seconds behind that of the
    scrapes, and known to be at most `skew` apart from it.
    """

    start: float
    end: float
    services: list[Service]
    intervals: list[float]
    series: list[Stored]
    skew: float = 0.0
    off: float = 0.0

    def request(self, session: str, left_open: bool = False) -> CollectionRequest:
        targets = tuple(
            ExpectedTarget("http://x", one.target, interval)
            for one, interval in zip(self.services, self.intervals, strict=True)
        )
        return CollectionRequest(
            session, Window("w", self.start, self.end), targets, min(self.intervals), 0.0, (RECIPE,),
            left_open=left_open, native_histograms=any(one.native for one in self.services), skew=self.skew,
        )  # fmt: skip

    def covered_by(self, row: KpiRow) -> list[Service]:
        return [one for one in self.services if row.scope == "session" or one.client == row.client]


def random_load(seed: int, start: float, native: bool = False) -> Load:
    """Return a load on one to three services: some in bursts, born, restarted, dead."""
    random = Random(seed)
    end = start + random.choice(WINDOWS)
    services = [
        random_service(random, client, start, end, native) for client in random.choice(["a", "ab", "abc"])
    ]
    intervals = [random.choice(INTERVALS) for _ in services]
    slow, skew = random.choice([0.0, 0.01, 0.9]), random.choice([0.0, 0.0, 0.4])
    series = [
        each
        for one, interval in zip(services, intervals, strict=True)
        for each in scraped(random, one, start, end, interval, slow)
    ]
    return Load(start, end, services, intervals, series, skew, random.uniform(-skew, skew))


def random_service(random: Random, client: str, start: float, end: float, native: bool) -> Service:
    """Return a service whose life and load have edges inside or outside of the window."""
    length = end - start
    born = random.choice([-math.inf, -math.inf, random.uniform(start, end)])
    died = random.choice([math.inf, math.inf, random.uniform(start, end + length / 10)])
    shares = random.choice([(-0.9, 1.9), (0.3, 0.4), (0.03, 0.97)])
    begin, last = (start + share * length for share in shares)
    times = [random.uniform(begin, last) for _ in range(random.choice([0, 3, 50, 300]))]
    burst = random.uniform(start - length / 10, end + length / 10)
    times += [random.gauss(burst, 0.003 * length) for _ in range(random.choice([0, 0, 100]))]
    times = sorted(time for time in times if born <= time <= died)
    # Of a life that ended before the first scrape nobody knows.
    restarts = [random.uniform(start, end)] if born < start and random.random() < 0.25 else []
    return Service(
        client, times, [random.choice([0.05, 0.3, 0.7, 3.0]) * random.random() for _ in times],
        [random.choice(["2", "2", "2", "5"]) for _ in times],
        restarts, born, died, random.choice(LAYOUTS), native and random.random() < 0.2,
    )  # fmt: skip


def scraped(
    random: Random, service: Service, start: float, end: float, interval: float, slow: float
) -> Iterator[Stored]:
    """Yield what Prometheus has of a service: some scrapes are lost, each is read somewhere in its duration.

    A scrape lasts at most the share `slow` of the interval.
    """
    up, durations = {}, {}
    series: dict[tuple[tuple[str, str], ...], dict[float, Any]] = {}
    time = start - 4 * interval + random.random() * interval
    while time < end + 5 * interval:
        at, took = round(time, 3), random.random() * slow * interval
        read = at + random.random() * TIMESTAMP_LEAD + random.random() * took
        is_there = service.born <= read <= service.died and (time < start or random.random() > 0.05)
        up[at], durations[at] = float(is_there), took
        if is_there:
            for labels, value in service.exported(read):
                series.setdefault(labels, {})[at] = value
        time += interval
    yield stored(service.target, "up", up)
    yield stored(service.target, "scrape_duration_seconds", durations)
    for labels, samples in series.items():
        yield Stored(service.target, {**service.target, **dict(labels)}, samples)


def truth(load: Load, row: KpiRow, span: Span) -> float | None:
    """Return what a row is about; None when that is undefined."""
    whole = _truth(load, row, load.start, load.end)
    if row.stat not in {"min", "max"}:
        return whole
    tiles = [_truth(load, row, *tile) for tile in span.edges()[1 : 1 + span.tiles]]
    found = [each for each in tiles if each is not None]
    return {"min": min, "max": max}[row.stat](found, default=None)


def _truth(load: Load, row: KpiRow, start: float, end: float) -> float | None:
    """Return what a row is about in a part of the window."""
    requests = [
        (one.seconds[i], one.codes[i])
        for one in load.covered_by(row)
        for i in one.between(start + load.off, end + load.off)
    ]
    took = sorted(seconds for seconds, _ in requests)
    if row.stat in {"total", "count"}:
        return math.fsum(took) if (row.kpi, row.stat) == ("latency", "total") else float(len(took))
    if row.kpi == "requests":
        return len(took) / (end - start)
    if not took:
        return None
    q = quantile_of(row.stat)
    if q is not None:
        return took[max(0, math.ceil(q * len(took) - 1e-9) - 1)]
    shares = {"under 500 ms": [each <= 0.5 for each in took], "failed": [code == "5" for _, code in requests]}
    chosen = shares.get(row.stat) or shares.get(row.kpi)
    return 100 * sum(chosen) / len(took) if chosen else math.fsum(took) / len(took)


def rows_with_truth(load: Load, collection: CollectedWindow) -> Iterator[tuple[KpiRow, float]]:
    """Yield the rows that have bounds, each with the truth.

    Those that cover a service that was never scraped in the window are left out: of what was born and died
    between two scrapes nobody knows. One that lives all along is known by the scrapes around the window.
    """
    lasting = {
        one.target["instance"] for one in load.services if (one.born, one.died) == (-math.inf, math.inf)
    }
    seen = {
        each.instance
        for each in collection.coverage
        if each.successes or (not each.scrapes and each.instance in lasting)
    }
    for row in collection.rows:
        true = truth(load, row, collection.request.span)
        if row.value_lo is None or row.value_hi is None or true is None:
            continue
        if all(one.target["instance"] in seen for one in load.covered_by(row)):
            yield row, true


def is_inside(row: KpiRow, number: float) -> bool:
    """Return whether a row's bounds hold a number, but for rounding."""
    assert row.value_lo is not None
    assert row.value_hi is not None
    rounding = 1e-9 * max(1.0, abs(number))
    return row.value_lo - rounding <= number <= row.value_hi + rounding


def assert_inside(row: KpiRow, true: float) -> None:
    """Require that a row's bounds hold its value and the truth."""
    assert row.value is not None
    assert row.value_lo is not None
    assert row.value_hi is not None
    assert row.value_lo <= row.value <= row.value_hi, row
    assert is_inside(row, true), (row, true)
