"""The truth of a simulated load lies inside the published bounds, however the load is scraped and read."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.kpis.percentiles import quantile_of
from monitord.kpis.span import Span
from monitord.prometheus.api.raw_samples import RawHistogram
from monitord.recipes.model import Recipe
from monitord.windows.model import Window
from tests.fakes.sample_client import SampleClient, Stored, stored

START, END = 1000.0, 1100.0
LAYOUTS = ((0.1, 0.5, 1.0, math.inf), (0.25, 0.5, 2.0, math.inf), (1.0, math.inf))
RECIPE = Recipe.model_validate(
    {"name": "r", "help": "h", "kpis": [
        {"name": "requests", "help": "h", "unit": "x/s", "kind": "counter", "metric": "requests_total",
         "stats": ["mean", "min", "max", "total"], "by": ["client"]},
        {"name": "failed", "help": "h", "unit": "%", "kind": "counter", "metric": "requests_total",
         "match": 'code="5"', "per": "requests_total", "scale": 100, "stats": ["mean"], "by": ["client"]},
        {"name": "latency", "help": "h", "unit": "s", "kind": "histogram", "metric": "latency",
         "stats": ["mean", "count", "total", "p50", "p99"], "by": ["client"]},
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

    def scraped(self, random: Random, interval: float, slow: float) -> Iterator[Stored]:
        """Yield what Prometheus has of it: some scrapes are lost, each is read somewhere in its duration."""
        phase, up, durations = random.random() * interval, {}, {}
        series: dict[tuple[tuple[str, str], ...], dict[float, Any]] = {}
        time = START - 4 * interval + phase
        while time < END + 5 * interval:
            at, took = round(time, 3), random.random() * slow * interval
            read = at + random.random() * took
            is_there = self.born <= read <= self.died and (time < START or random.random() > 0.05)
            up[at], durations[at] = float(is_there), took
            if is_there:
                for labels, value in self._exported(read):
                    series.setdefault(labels, {})[at] = value
            time += interval
        yield stored(self.target, "up", up)
        yield stored(self.target, "scrape_duration_seconds", durations)
        for labels, samples in series.items():
            yield Stored(self.target, {**self.target, **dict(labels)}, samples)

    def _exported(self, read: float) -> Iterator[tuple[tuple[tuple[str, str], ...], float | RawHistogram]]:
        since = max((restart for restart in self.restarts if restart <= read), default=-math.inf)
        yield (("__name__", "process_start_time_seconds"),), max(since, self.born, 1.0)
        counted = range(bisect_left(self.times, since), bisect_right(self.times, read))
        for code in ("2", "5"):
            n = sum(self.codes[i] == code for i in counted)
            if n or code == "2":
                yield (("__name__", "requests_total"), ("code", code)), float(n)
        took = [self.seconds[i] for i in counted]
        if self.native:
            edges = (0.0, *self.layout)
            inside = [sum(low < x <= high for x in took) for low, high in pairwise(edges)]
            buckets = [
                (0, str(low), "+Inf" if math.isinf(high) else str(high), str(n))
                for low, high, n in zip(edges, edges[1:], inside, strict=False)
                if n
            ]
            yield (("__name__", "latency"),), RawHistogram(str(len(took)), repr(math.fsum(took)), buckets)
            return
        yield (("__name__", "latency_count"),), float(len(took))
        yield (("__name__", "latency_sum"),), math.fsum(took)
        for bound in self.layout:
            le = "+Inf" if math.isinf(bound) else str(bound)
            yield (("__name__", "latency_bucket"), ("le", le)), float(sum(x <= bound for x in took))


def service(random: Random, client: str) -> Service:
    born = random.choice([-math.inf, -math.inf, random.uniform(START, END)])
    died = random.choice([math.inf, math.inf, random.uniform(START, END + 10)])
    begin, end = random.choice([(START - 90, END + 90), (START + 30, START + 40), (START + 3, END - 3)])
    times = [random.uniform(begin, end) for _ in range(random.choice([0, 3, 50, 300]))]
    burst = random.uniform(START - 10, END + 10)
    times += [random.gauss(burst, 0.3) for _ in range(random.choice([0, 0, 100]))]
    times = sorted(time for time in times if born <= time <= died)
    # Of a life that ended before the first scrape nobody knows.
    restarts = [random.uniform(START, END)] if born < START and random.random() < 0.25 else []
    return Service(
        client, times, [random.choice([0.05, 0.3, 0.7, 3.0]) * random.random() for _ in times],
        [random.choice(["2", "2", "2", "5"]) for _ in times],
        restarts, born, died,
        random.choice(LAYOUTS), random.random() < 0.2,
    )  # fmt: skip


@dataclass
class Measured:
    services: list[Service]
    collection: CollectedWindow
    off: float
    """How far the markers' clock is behind that of the scrapes."""


def measured(seed: int, most: int = 200_000) -> Measured:
    random = Random(seed)
    services = [service(random, client) for client in random.choice(["a", "ab", "abc"])]
    intervals = [random.choice([0.5, 1.0, 5.0, 15.0]) for _ in services]
    slow, left_open = random.choice([0.0, 0.01, 0.9]), random.random() < 0.5
    skew = random.choice([0.0, 0.0, 0.4])
    series = [
        each
        for one, interval in zip(services, intervals, strict=True)
        for each in one.scraped(random, interval, slow)
    ]
    targets = tuple(
        ExpectedTarget("http://x", one.target, interval)
        for one, interval in zip(services, intervals, strict=True)
    )
    request = CollectionRequest(
        "s", Window("w", START, END), targets, 5.0, 0.0, (RECIPE,), left_open=left_open,
        native_histograms=True, skew=skew,
    )  # fmt: skip
    client = SampleClient(series, left_open=left_open)
    return Measured(services, collect(request, client, lambda: 0.0, most=most), random.uniform(-skew, skew))


def truth(services: Sequence[Service], row: KpiRow, off: float, span: Span) -> float | None:
    """Return what a row is about; None when that is undefined."""
    found = [(one, i) for one in services for i in one.between(START + off, END + off)]
    took = sorted(one.seconds[i] for one, i in found)
    if row.stat in {"min", "max"}:
        tiles = span.edges()[1 : 1 + span.tiles]
        rates = [
            sum(len(one.between(start + off, end + off)) for one in services) / (end - start)
            for start, end in tiles
        ]
        return min(rates) if row.stat == "min" else max(rates)
    q = quantile_of(row.stat)
    if q is not None:
        return took[max(0, math.ceil(q * len(took) - 1e-9) - 1)] if took else None
    if row.kpi == "failed":
        failed = sum(one.codes[i] == "5" for one, i in found)
        return 100 * failed / len(found) if found else None
    if (row.kpi, row.stat) == ("latency", "mean"):
        return math.fsum(took) / len(found) if found else None
    whole = math.fsum(took) if (row.kpi, row.stat) == ("latency", "total") else float(len(found))
    return whole / span.seconds if row.stat == "mean" else whole


def were_seen(services: Sequence[Service], collection: CollectedWindow) -> bool:
    """Return whether all were scraped in the window: of what was born and died in between nobody knows."""
    seen = {each.instance for each in collection.coverage if each.successes}
    return all(one.target["instance"] in seen for one in services)


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_the_truth_lies_inside_the_published_bounds(seed: int) -> None:
    found = measured(seed)
    for row in found.collection.rows:
        services = [one for one in found.services if row.scope == "session" or one.client == row.client]
        if row.value_lo is None or row.value_hi is None or not were_seen(services, found.collection):
            continue
        assert row.value is not None
        assert row.value_lo <= row.value <= row.value_hi
        true = truth(services, row, found.off, found.collection.request.span)
        if true is not None:
            assert row.value_lo - 1e-9 <= true <= row.value_hi + 1e-9, (row, true)


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 3000))
def test_in_how_many_answers_the_samples_come_makes_no_difference(seed: int, most: int) -> None:
    one, several = measured(seed).collection, measured(seed, most).collection
    assert several.rows == one.rows
    assert several.coverage == one.coverage
    assert list(map(repr, several.timeseries)) == list(map(repr, one.timeseries))


def test_a_window_that_is_read_in_parts_has_more_than_one_answer() -> None:
    uses = [record.use for record in measured(1, most=50).collection.queries]
    assert uses.count("samples") > 3
    assert "metrics" in uses
    assert np.all([record.error == "" for record in measured(1, most=50).collection.queries])
