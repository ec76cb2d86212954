"""Random loads in a block, measured on each real Prometheus: the truth lies inside the bounds, every time.

All loads are in one block, each as a session. Native histograms cannot be written into a block by promtool:
tests/unit/collect/test_truth.py has those.
"""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.summary import KpiRow
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build, has_left_open_ranges
from tests.extrapolation import Sample, counted, increase, whole_range
from tests.fakes.backfill import sample, write_block
from tests.loads import WINDOWS, Load, assert_inside, is_inside, random_load, rows_with_truth
from tests.tightest_bounds import assert_tight, tightest

pytestmark = pytest.mark.real

LOADS = 2000 if "MONITORD_TEST_ROUNDS" in os.environ else 200  # `make soak` asks for all


def counters(load: Load) -> Iterator[tuple[str, str, list[Sample]]]:
    """Yield the counters of requests: their client, code and samples."""
    for each in load.series:
        if each.labels["__name__"] == "requests_total":
            samples = [Sample(round(at * 1000), number(value)) for at, value in sorted(each.samples.items())]
            yield each.labels["client"], each.labels["code"], samples


def number(value: object) -> float:
    assert isinstance(value, float)
    return value


def lines(start: float) -> Iterator[str]:
    for seed in range(LOADS):
        for each in random_load(seed, start).series:
            name, labels = each.labels["__name__"], {**each.labels, "session": f"load{seed}"}
            del labels["__name__"]
            for at, value in each.samples.items():
                yield sample(name, labels, number(value), at)


@pytest.fixture(scope="module")
def start() -> float:
    """Return the windows' start: an hour ago, at no whole second."""
    return float(math.floor(time.time()) - 3600) + 0.123


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory, start: float) -> Path:
    return write_block(tmp_path_factory.mktemp("block"), lines(start))


@pytest.fixture(scope="module")
def collections(client: PrometheusClient, start: float) -> list[CollectedWindow]:
    left_open = has_left_open_ranges(client.build_info()["version"])
    return [
        collect(random_load(seed, start).request(f"load{seed}", left_open), client) for seed in range(LOADS)
    ]


@pytest.fixture(scope="module")
def of_first_version() -> list[tuple[KpiRow, ...]]:
    """The rows of each load, as the first version gave them."""
    return []


def test_the_truth_lies_inside_the_bounds_every_time(
    collections: list[CollectedWindow], start: float
) -> None:
    compared = 0
    for seed, collection in enumerate(collections):
        for row, true in rows_with_truth(random_load(seed, start), collection):
            assert_inside(row, true)
            compared += 1
    assert compared > 15 * LOADS


def test_the_bounds_are_as_tight_as_the_scrapes_allow(
    collections: list[CollectedWindow], start: float
) -> None:
    compared = 0
    for seed, collection in enumerate(collections):
        load = random_load(seed, start)
        for row, _ in rows_with_truth(load, collection):
            best = tightest(load, row, collection.request.span)
            if best is not None:
                assert_tight(row, best)
                compared += 1
    assert compared > 15 * LOADS


def test_the_numbers_are_the_same_on_every_version(
    collections: list[CollectedWindow], of_first_version: list[tuple[KpiRow, ...]]
) -> None:
    rows = [collection.rows for collection in collections]
    of_first_version.extend(rows[len(of_first_version) :])
    assert rows == of_first_version


def test_increase_goes_beyond_the_bounds_only_by_its_extrapolation(
    each_build: Build, client: PrometheusClient, collections: list[CollectedWindow], start: float
) -> None:
    """What PromQL counted between its samples is inside the bounds; what it adds at the edges may not be."""
    ranges = {seconds: whole_range(start, start + seconds, each_build.version) for seconds in WINDOWS}
    theirs = {
        (seconds, *(each.labels[name] for name in ("session", "client", "code"))): each.value
        for seconds, over in ranges.items()
        for each in client.query(
            f"increase(requests_total[{over.end - over.start}ms])", over.end / 1000
        ).series
    }
    windows = outside = 0
    for seed, collection in enumerate(collections):
        between: dict[str, float] = defaultdict(float)
        extrapolated: dict[str, float] = defaultdict(float)
        load = random_load(seed, start)
        seconds = round(load.end - load.start)
        over = ranges[seconds]
        for one, code, samples in counters(load):
            ours = increase(samples, over)
            assert theirs.get((seconds, f"load{seed}", one, code)) == (ours and pytest.approx(ours, rel=1e-9))
            between[one] += counted(samples, over) or 0.0
            extrapolated[one] += ours or 0.0
        for row in collection.rows:
            if (row.kpi, row.stat, row.scope) == ("requests", "total", "client") and row.value is not None:
                assert_inside(row, between[row.client])
                windows += 1
                outside += not is_inside(row, extrapolated[row.client])
    assert windows > LOADS
    assert 0.02 * windows < outside < 0.5 * windows
