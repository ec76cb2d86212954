"""A window's numbers against the truth: a service whose every request is known, on each real Prometheus.

Eight busy, fast minutes and two quiet, slow ones; the service restarts in between. The window's edges
are scrapes, so that what was counted between them is exactly what happened in it.
"""

from __future__ import annotations

import math
import random
import time
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import pytest

from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build, has_left_open_ranges
from monitord.recipes.load import load_recipes
from monitord.windows.model import Window
from tests.fakes.backfill import sample, serving, write_block

pytestmark = pytest.mark.real

INTERVAL, SECONDS = 5.0, 600
RESTART = 300  # a scrape happens just before it: no request is lost that nobody could have counted
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]
LABELS = {"job": "web", "instance": "n1:8000", "client": "c1", "service": "web", "node": "n1", "session": "t"}
DURATION = "http_server_request_duration_seconds"


def requests() -> list[tuple[float, float]]:
    """Return every request as (second, duration in seconds), from a minute before to a minute after."""
    chance = random.Random(7)
    found = []
    for second in range(-60, SECONDS + 60):
        is_slow = 420 <= second < 540
        for _ in range(2 if is_slow else 40):
            median = 1.2 if is_slow else 0.04
            found.append((second + chance.random(), chance.lognormvariate(math.log(median), 0.4)))
    return sorted(found)


REQUESTS = requests()
IN_WINDOW = sorted(duration for second, duration in REQUESTS if 0 < second <= SECONDS)


def lines(start: float) -> Iterator[str]:
    """Yield what scrapes every five seconds would have read."""
    counts, total, handled, following = [0] * (len(BOUNDS) + 1), 0.0, 0, 0
    for scrape in range(-60, SECONDS + 61, int(INTERVAL)):
        while following < len(REQUESTS) and REQUESTS[following][0] <= scrape:
            duration = REQUESTS[following][1]
            counts[bisect_left(BOUNDS, duration)] += 1
            total, handled, following = total + duration, handled + 1, following + 1
        at = start + scrape
        yield sample("up", LABELS, 1.0, at)
        yield sample("http_requests_total", LABELS, float(handled), at)
        yield sample(f"{DURATION}_count", LABELS, float(handled), at)
        yield sample(f"{DURATION}_sum", LABELS, total, at)
        for index, bound in enumerate([*map(str, BOUNDS), "+Inf"]):
            yield sample(f"{DURATION}_bucket", {**LABELS, "le": bound}, float(sum(counts[: index + 1])), at)
        if scrape == RESTART:
            counts, total, handled = [0] * (len(BOUNDS) + 1), 0.0, 0


@pytest.fixture(scope="module")
def start() -> float:
    return float(math.floor(time.time()) - 3600)


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory, start: float) -> Path:
    return write_block(tmp_path_factory.mktemp("block"), lines(start))


@pytest.fixture(scope="module")
def client(
    each_build: Build, block: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusClient]:
    with serving(each_build, block, tmp_path_factory.mktemp("prometheus")) as connection:
        yield connection


def measured(client: PrometheusClient, start: float, first: float, last: float) -> CollectedWindow:
    request = CollectionRequest(
        "t", Window("w", start + first, start + last), (ExpectedTarget("http://n1:8000/", LABELS, INTERVAL),),
        INTERVAL, 0.95, load_recipes(), left_open=has_left_open_ranges(client.build_info()["version"]),
    )  # fmt: skip
    return collect(request, client)


@pytest.fixture(scope="module")
def collection(client: PrometheusClient, start: float) -> CollectedWindow:
    return measured(client, start, 0, SECONDS)


def row(collection: CollectedWindow, kpi: str, stat: str) -> KpiRow:
    (found,) = (row for row in collection.rows if (row.kpi, row.stat, row.scope) == (kpi, stat, "session"))
    return found


def true_quantile(q: float) -> float:
    return IN_WINDOW[math.ceil(q * len(IN_WINDOW)) - 1] * 1000


def bucket_of(milliseconds: float) -> int:
    return bisect_left(BOUNDS, milliseconds / 1000)


def test_throughput_is_exact_where_scrapes_bracket_the_window(collection: CollectedWindow) -> None:
    assert row(collection, "throughput", "mean").value == pytest.approx(len(IN_WINDOW) / SECONDS, rel=1e-5)
    assert collection.status == "complete"


def test_throughput_is_near_where_they_do_not(client: PrometheusClient, start: float) -> None:
    first, last = 2.3, SECONDS - 3.9
    truth = sum(first < second <= last for second, _ in REQUESTS) / (last - first)
    found = row(measured(client, start, first, last), "throughput", "mean").value
    assert found == pytest.approx(truth, rel=0.005)


def test_the_mean_is_exact(collection: CollectedWindow) -> None:
    assert row(collection, "latency", "mean").value == pytest.approx(fmean(IN_WINDOW) * 1000, rel=1e-5)


def test_the_restart_was_counted(collection: CollectedWindow) -> None:
    (target,) = collection.coverage
    assert (target.resets, target.scrapes, target.ratio) == (1, SECONDS / INTERVAL, 1.0)


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_a_percentile_lies_in_the_bucket_that_holds_the_true_one(
    collection: CollectedWindow, q: float
) -> None:
    found, truth = row(collection, "latency", f"p{q * 100:.0f}"), true_quantile(q)
    assert found.bucket_lo is not None
    assert found.bucket_hi is not None
    assert found.bucket_lo < truth <= found.bucket_hi
    assert found.value is not None
    assert bucket_of(found.value) == bucket_of(truth)


def test_the_mean_of_a_percentile_over_steps_is_wrong_by_more_than_a_bucket(
    client: PrometheusClient, start: float
) -> None:
    """The classic mistake, on the same data: quiet minutes weigh as much as busy ones."""
    promql = f"histogram_quantile(0.95, sum by (le) (rate({DURATION}_bucket[1m])))"
    (steps,) = client.query_range(promql, start + 60, start + SECONDS, 15).series
    mistaken = fmean(value for _, value in steps.samples) * 1000
    assert bucket_of(mistaken) - bucket_of(true_quantile(0.95)) > 1
