"""A window collected from each real Prometheus, whose data are known to the last sample.

There are samples exactly at both edges of the window, so that a version that left one out would
count other numbers. All versions are given the same block of data.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import has_left_open_ranges
from monitord.recipes.load import load_recipes
from monitord.recipes.model import Recipe
from monitord.windows.model import Window
from tests.fakes.backfill import sample, serving, write_block
from tests.versions import VERSIONS, binary_of, build_of

pytestmark = pytest.mark.real

INTERVAL = 5.0
SECONDS = 300.0
MILLISECOND = 0.001 / SECONDS * 1.01
"""How far off the edges are, relatively, where samples are dated to whole milliseconds."""
RESET_AT = 151  # seconds into the window at which the second service restarts
# Idle in other words: iowait, waiting for a disk, and steal, waiting for the hypervisor.
CPU_MODES = {"idle": 0.5, "iowait": 0.15, "steal": 0.05, "user": 0.2, "system": 0.1}
BORN_AT = 150  # seconds into the window at which counters appear
SLOW = range(100, 160)  # seconds into the window in which the first service handles fewer requests
BOUNDS = {"0.005": 0.1, "0.05": 0.6, "0.25": 0.95, "1": 0.99, "+Inf": 1.0}  # share at or below
LABELS = {
    "c1": {"job": "triton", "instance": "n1:8000", "client": "c1", "service": "triton", "node": "n1"},
    "c2": {"job": "triton", "instance": "n2:8000", "client": "c2", "service": "triton", "node": "n2"},
    "c3": {"job": "triton", "instance": "n3:8000", "client": "c3", "service": "triton", "node": "n3"},
    "node": {"job": "node", "instance": "n1:9100", "client": "c1", "node": "n1"},
}
QUEUES = Recipe.model_validate(
    {
        "name": "queues",
        "help": "a gauge, and how often it was scraped",
        "kpis": [
            {"name": "queue", "help": "h", "unit": "requests", "kind": "gauge", "metric": "queue_length",
             "stats": ["mean", "min", "max", "std", "p5", "p99"]},
            {"name": "old", "help": "h", "unit": "x/s", "kind": "counter", "metric": "old_total",
             "stats": ["total"], "by": ["client"]},
            {"name": "born", "help": "h", "unit": "x/s", "kind": "counter", "metric": "born_total",
             "stats": ["total"], "by": ["client"]},
            {"name": "begun", "help": "h", "unit": "x/s", "kind": "counter", "metric": "begun_total",
             "stats": ["total"], "by": ["client"]},
            {"name": "looks", "help": "h", "unit": "samples", "kind": "expr", "stats": ["value"],
             "expr": "sum(count_over_time(queue_length{$selector}$window))"},
        ],
    }
)  # fmt: skip


def write(name: str, time: float, value: float, client: str, **more: str) -> str:
    labels = {**LABELS[client], "session": "bench", **more}
    return sample(name, labels, value, time)


def requests_at(client: str, second: float) -> float:
    """Return the counter: 40 requests/s, 10 while slow; the second's 20, from 0 after its restart."""
    if client == "c2":
        return 20.0 * (second + 1000 if second < RESET_AT else second - RESET_AT)
    slow = min(max(second - SLOW.start, 0.0), len(SLOW))
    return 40.0 * (second + 1000) - 30.0 * slow


def queue_at(second: float) -> float:
    """Return the gauge: shortest at the window's very start, longest at its very end."""
    return {0.0: 1.0, SECONDS: 100.0}.get(second, 50.0)


def lines_at(start: float, second: float) -> Iterator[str]:
    now = start + second
    for client in ("c1", "c2"):
        yield write("up", now, 1.0, client)
        total = requests_at(client, second)
        yield write("http_requests_total", now, total, client)
        name = "http_server_request_duration_seconds"
        for le, share in BOUNDS.items():
            # The second service is slower: more of its requests are in the upper buckets.
            below = share if client == "c1" else share**3
            yield write(f"{name}_bucket", now, total * below, client, le=le)
        yield write(f"{name}_count", now, total, client)
        yield write(f"{name}_sum", now, total * 0.1, client)
    yield write("up", now, 0.0, "c3")
    yield write("up", now, 1.0, "node")
    yield write("queue_length", now, queue_at(second), "c1")
    yield write("old_total", now, 10 * (second + 500), "c1")
    if second >= BORN_AT:
        yield write("born_total", now, 500 + 10 * (second - BORN_AT), "c1")
        yield write("begun_total", now, 10 * (second - BORN_AT), "c1")
    for cpu in ("0", "1"):
        for mode, share in CPU_MODES.items():
            yield write("node_cpu_seconds_total", now, (second + 500) * share, "node", cpu=cpu, mode=mode)


@pytest.fixture(scope="module")
def start() -> float:
    """Return the window's start: an hour ago, at no whole interval."""
    return float(math.floor(time.time()) - 3600) + 0.123


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory, start: float) -> Path:
    """A folder that holds the data from 2 minutes before the window to 2 after it."""
    folder = tmp_path_factory.mktemp("block")
    lines = (line for step in range(-24, 85) for line in lines_at(start, step * INTERVAL))
    return write_block(folder, lines)


def collected(
    client: PrometheusClient, window: Window, targets: tuple[ExpectedTarget, ...] = ()
) -> CollectedWindow:
    left_open = has_left_open_ranges(client.build_info()["version"])
    recipes = (*load_recipes(), QUEUES)
    request = CollectionRequest("bench", window, targets, INTERVAL, 0.95, recipes, left_open=left_open)
    return collect(request, client)


def the_window(client: PrometheusClient, start: float) -> CollectedWindow:
    targets = tuple(
        ExpectedTarget(f"http://{labels['instance']}/metrics", labels, INTERVAL) for labels in LABELS.values()
    )
    return collected(client, Window("run01", start, start + SECONDS), targets)


@pytest.fixture(scope="module")
def collection(client: PrometheusClient, start: float) -> CollectedWindow:
    return the_window(client, start)


def row(collection: CollectedWindow, kpi: str, stat: str, scope: str = "session", **labels: str) -> KpiRow:
    (found,) = (
        each
        for each in collection.rows
        if (each.kpi, each.stat, each.scope) == (kpi, stat, scope)
        and all(getattr(each, name) == value for name, value in labels.items())
    )
    return found


def test_throughput_is_the_reset_aware_increase_over_the_length(collection: CollectedWindow) -> None:
    first = (40 * SECONDS - 30 * len(SLOW)) / SECONDS
    # What c2 counted between its last scrape and its restart is lost, and it counted from 0 again.
    second = 20 * (SECONDS - (RESET_AT - 150)) / SECONDS
    for scope, truth in (
        (("client", "c1"), first),
        (("client", "c2"), second),
        (("session", ""), first + second),
    ):
        found = row(collection, "throughput", "mean", scope[0], client=scope[1])
        assert found.value == pytest.approx(truth, rel=MILLISECOND)
    assert (found.n, found.unit, found.reason) == (2, "requests/s", "counter_reset")
    assert found.value_lo == pytest.approx(found.value, rel=0.05)
    assert found.value_hi == math.inf


def test_increases_are_the_reset_aware_differences_of_the_samples(
    collection: CollectedWindow, client: PrometheusClient, start: float
) -> None:
    range_ms = 300_000 + has_left_open_ranges(client.build_info()["version"])
    total = 0.0
    for series in client.query(f"http_requests_total[{range_ms}ms]", start + SECONDS).series:
        values = [value for _, value in series.samples]
        total += sum(after if after < before else after - before for before, after in pairwise(values))
    mean = row(collection, "throughput", "mean").value
    assert mean == pytest.approx(total / SECONDS, rel=MILLISECOND)


def test_a_counter_born_in_the_window_may_have_counted_all_that_it_held_at_first(
    collection: CollectedWindow,
) -> None:
    rows = {kpi: row(collection, kpi, "total", "client", client="c1") for kpi in ("old", "born", "begun")}
    assert rows["old"].value == pytest.approx(3000, rel=MILLISECOND)
    assert (rows["old"].status, rows["old"].reason) == ("ok", "")
    assert (rows["old"].value_lo, rows["old"].value_hi) == (2900, 3100)
    # 500 of the 2000 were there when it was first scraped, and nobody knows since when.
    assert (rows["born"].value_lo, rows["born"].value_hi) == (1450, 2050)
    assert rows["born"].value == pytest.approx(2000, rel=MILLISECOND)
    assert (rows["born"].status, rows["born"].reason) == ("partial", "series_born")
    # One that starts at 0 lacks nothing.
    assert rows["begun"].value == pytest.approx(1500, rel=MILLISECOND)
    assert (rows["begun"].status, rows["begun"].reason) == ("ok", "")


def test_the_extremes_are_those_of_parts_of_the_window(collection: CollectedWindow) -> None:
    low = row(collection, "throughput", "min", "client", client="c1")
    high = row(collection, "throughput", "max", "client", client="c1")
    # Two tiles of 150 s, each cut at a scrape: 50 s of the first one were slow, and 10 s of the second one.
    truth = (40 - 30 * 50 / 150, 40 - 30 * 10 / 150)
    assert (low.value, high.value) == pytest.approx(truth, rel=1e-6)
    assert (low.n, high.n, low.reason) == (2, 2, "edge_uncertain")
    for found, true in zip((low, high), truth, strict=True):
        assert found.value_lo is not None
        assert found.value_hi is not None
        assert found.value_lo <= true <= found.value_hi


def test_samples_at_both_edges_count(collection: CollectedWindow) -> None:
    stats = {stat: row(collection, "queue", stat) for stat in ("mean", "min", "max")}
    assert (stats["min"].value, stats["max"].value) == (1, 100)
    assert stats["mean"].value == pytest.approx((1 + 59 * 50 + 100) / 61, rel=1e-12)
    assert {found.n for found in stats.values()} == {61}
    assert row(collection, "looks", "value").value == 61


@pytest.mark.parametrize("stat", ["std", "p5", "p99"])
def test_the_spread_and_the_percentiles_of_a_gauge_are_what_the_server_itself_computes(
    collection: CollectedWindow, client: PrometheusClient, start: float, stat: str
) -> None:
    range_ms = 300_000 + has_left_open_ranges(client.build_info()["version"])
    of_range = {"std": "stddev_over_time(", "p5": "quantile_over_time(0.05, "}.get(
        stat, "quantile_over_time(0.99, "
    )
    (theirs,) = client.query(f"{of_range}queue_length[{range_ms}ms])", start + SECONDS).series
    ours = row(collection, "queue", stat)
    assert ours.value == pytest.approx(theirs.value, rel=1e-9)
    assert ours.n == 61


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("of", ["session", "client"])
def test_a_percentile_is_what_the_server_itself_computes(
    collection: CollectedWindow, client: PrometheusClient, start: float, q: float, of: str
) -> None:
    range_ms = 300_000 + has_left_open_ranges(client.build_info()["version"])
    bucket = f'http_server_request_duration_seconds_bucket{{client=~"c2|$which"}}[{range_ms}ms]'
    which, labels = ("c1", {}) if of == "session" else ("c2", {"client": "c2"})
    promql = f"histogram_quantile({q}, sum by (le) (increase({bucket.replace('$which', which)})))"
    (theirs,) = client.query(promql, start + SECONDS).series
    ours = row(collection, "latency", f"p{round(q * 100)}", of, **labels)
    assert ours.value == pytest.approx(theirs.value * 1000, rel=1e-9)
    assert ours.bucket_lo is not None
    assert ours.bucket_hi is not None
    assert ours.bucket_lo <= theirs.value * 1000 <= ours.bucket_hi


def test_a_percentile_is_the_truth_of_its_bucket(collection: CollectedWindow) -> None:
    # Of c1's requests 1 % lie above 1 s, 4 % between 0.25 and 1 s, half of 70 % in 0.005 to 0.05 s.
    found = row(collection, "latency", "p50", "client", client="c1")
    assert found.value == pytest.approx(1000 * (0.005 + 0.045 * 0.4 / 0.5), rel=1e-9)
    assert (found.bucket_lo, found.bucket_hi) == (5, 50)
    found = row(collection, "latency", "p95", "client", client="c2")
    assert found.value == pytest.approx(
        1000 * (0.25 + 0.75 * (0.95 - 0.95**3) / (0.99**3 - 0.95**3)), rel=1e-6
    )


def test_the_mean_latency_and_how_many_requests_it_rests_on(collection: CollectedWindow) -> None:
    mean = row(collection, "latency", "mean")
    assert mean.value == pytest.approx(100, rel=1e-3)
    throughput = row(collection, "throughput", "mean").value
    assert throughput is not None
    assert mean.n == pytest.approx(throughput * SECONDS, abs=1)


def test_cpu_utilisation_is_busy_time_over_all_time(collection: CollectedWindow) -> None:
    for stat in ("mean", "max"):
        found = row(collection, "cpu_util", stat, "node", node="n1")
        assert found.value == pytest.approx(30, rel=1e-6)
        assert (found.unit, found.coverage) == ("%", 1)
        assert found.value_lo is not None
        assert found.value_hi is not None
        assert found.value_lo < 30 < found.value_hi
    assert row(collection, "cpu_util", "mean", "node", node="n1").status == "ok"


@pytest.mark.parametrize("step_ms", [2030, 1001, 333])
def test_steps_are_as_long_as_was_asked(client: PrometheusClient, start: float, step_ms: int) -> None:
    step = step_ms / 1000
    (found,) = client.query_range("vector(1)", start, start + 9 * step, step).series
    assert [round(time * 1000) for time, _ in found.samples] == [
        round(start * 1000) + number * step_ms for number in range(10)
    ]


def test_an_absent_metric_is_no_data(collection: CollectedWindow) -> None:
    found = row(collection, "gpu_util", "mean")
    assert (found.value, found.status, found.reason) == (None, "no_data", "metric_absent")


def test_coverage_counts_the_scrapes_inside_the_window_only(collection: CollectedWindow) -> None:
    targets = {target.client: target for target in collection.coverage if target.job == "triton"}
    assert [
        (t.expected_scrapes, t.scrapes, t.successes, t.resets)
        for t in map(targets.get, ("c1", "c2", "c3"))
        if t
    ] == [(59, 60, 60, 0), (59, 60, 60, 1), (59, 60, 0, None)]
    assert row(collection, "throughput", "mean").coverage == 0  # that of the worst: c3 was down
    assert collection.status == "partial"
    assert [reason.code for reason in collection.reasons] == ["target_down"]


def test_no_query_failed_or_warned(collection: CollectedWindow) -> None:
    assert all("lies between" in warning for warning in collection.warnings)
    assert not [query for query in collection.queries if query.error]


def test_a_window_before_all_data_failed(client: PrometheusClient, start: float) -> None:
    found = collected(client, Window("early", start - 3000, start - 2900))
    assert (found.status, [reason.code for reason in found.reasons]) == ("failed", ["no_targets"])
    assert {each.status for each in found.rows} == {"no_data"}
    assert {each.reason for each in found.rows} == {"no_targets"}


def test_all_versions_give_the_same(block: Path, tmp_path: Path, start: float) -> None:
    collections = {}
    for version in filter(binary_of, VERSIONS):
        (tmp_path / version).mkdir()
        with serving(build_of(version), block, tmp_path / version) as client:
            collections[version] = the_window(client, start)
    if len(collections) < 2:
        pytest.skip(f"only {', '.join(collections)} of Prometheus {', '.join(VERSIONS)} is here")
    first, *others = collections.values()
    for other in others:
        assert (other.coverage, other.status, other.reasons) == (first.coverage, first.status, first.reasons)
        assert len(other.rows) == len(first.rows) > 20
        for ours, theirs in zip(other.rows, first.rows, strict=True):
            assert ours == theirs
