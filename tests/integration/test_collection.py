"""A window collected from a real Prometheus whose data are known to the last sample."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitord.collect.collect import collect
from monitord.collect.collection import Collection
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.errors import PrometheusError
from monitord.prometheus.api import PrometheusClient
from monitord.prometheus.process import find_binary, find_promtool, read_build
from monitord.recipes.load import load_recipes
from monitord.windows.model import Window
from tests.conftest import wait_until

pytestmark = pytest.mark.real

INTERVAL = 5.0
SECONDS = 300.0
RESET_AT = 151  # seconds into the window at which the second service restarts
SLOW = range(100, 160)  # seconds into the window in which the first service handles fewer requests
BOUNDS = {"0.005": 0.1, "0.05": 0.6, "0.25": 0.95, "1": 0.99, "+Inf": 1.0}  # share at or below
LABELS = {
    "c1": {"job": "triton", "instance": "n1:8000", "client": "c1", "service": "triton", "node": "n1"},
    "c2": {"job": "triton", "instance": "n2:8000", "client": "c2", "service": "triton", "node": "n2"},
    "c3": {"job": "triton", "instance": "n3:8000", "client": "c3", "service": "triton", "node": "n3"},
    "node": {"job": "node", "instance": "n1:9100", "client": "c1", "node": "n1"},
}


def write(name: str, time: float, value: float, client: str, **more: str) -> str:
    labels = {**LABELS[client], "session": "bench", **more}
    text = ",".join(f'{key}="{each}"' for key, each in labels.items())
    return f"{name}{{{text}}} {value!r} {time:.3f}"


def requests_at(client: str, second: float) -> float:
    """Return the counter: 40 requests/s, 10 while slow; the second's 20, from 0 after its restart."""
    if client == "c2":
        return 20.0 * (second + 1000 if second < RESET_AT else second - RESET_AT)
    slow = min(max(second - SLOW.start, 0.0), len(SLOW))
    return 40.0 * (second + 1000) - 30.0 * slow


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
    for cpu in ("0", "1"):
        for mode, share in (("idle", 0.7), ("user", 0.2), ("system", 0.1)):
            yield write("node_cpu_seconds_total", now, (second + 500) * share, "node", cpu=cpu, mode=mode)


@pytest.fixture(scope="module")
def start() -> float:
    """Return the window's start: an hour ago, at no whole interval."""
    return float(math.floor(time.time()) - 3600) + 0.123


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, start: float) -> Iterator[PrometheusClient]:
    """A Prometheus that holds the data from 2 minutes before the window to 2 after it."""
    folder = tmp_path_factory.mktemp("prometheus")
    try:
        binary = find_binary()
    except PrometheusError as error:
        pytest.fail(str(error))  # without it nothing here is shown
    promtool = find_promtool(read_build(binary))
    if promtool is None:
        pytest.skip("no promtool beside prometheus")
    seconds = [step * INTERVAL + 2.0 for step in range(-24, 84)]
    text = "\n".join(line for second in seconds for line in lines_at(start, second))
    (folder / "samples.om").write_text(f"{text}\n# EOF\n")
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    backfill = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "samples.om", "data"]
    subprocess.run(backfill, cwd=folder, check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(binary), "--config.file=prometheus.yml", "--storage.tsdb.path=data",
             "--storage.tsdb.retention.time=10y", "--web.listen-address=127.0.0.1:0"],
            cwd=folder, stderr=log, stdout=log,
        )  # fmt: skip
    try:
        address = wait_until(lambda: listening(folder / "log"), "Prometheus to listen")
        with PrometheusClient(f"http://{address}") as connection:
            wait_until(connection.ready, "Prometheus to be ready")
            yield connection
    finally:
        server.kill()
        server.wait()


def listening(log: Path) -> str | None:
    for line in log.read_text().splitlines():
        if "Listening on" in line:
            return line.partition("address=")[2].split()[0]
    return None


@pytest.fixture(scope="module")
def collection(client: PrometheusClient, start: float) -> Collection:
    targets = tuple(
        ExpectedTarget(f"http://{labels['instance']}/metrics", labels, INTERVAL) for labels in LABELS.values()
    )
    window = Window("run01", start, start + SECONDS)
    return collect(CollectionRequest("bench", window, targets, INTERVAL, 0.95, load_recipes()), client)


def row(collection: Collection, kpi: str, stat: str, scope: str = "session", **labels: str) -> KpiRow:
    (found,) = (
        each
        for each in collection.rows
        if (each.kpi, each.stat, each.scope) == (kpi, stat, scope)
        and all(getattr(each, name) == value for name, value in labels.items())
    )
    return found


def test_throughput_is_the_reset_aware_increase_over_the_length(collection: Collection) -> None:
    first = (40 * SECONDS - 30 * len(SLOW)) / SECONDS
    assert row(collection, "throughput", "mean", "client", client="c1").value == pytest.approx(
        first, rel=0.01
    )
    # What c2 counted between its last scrape and its restart is lost: at most one interval.
    second = row(collection, "throughput", "mean", "client", client="c2").value
    assert second == pytest.approx(20, rel=INTERVAL / SECONDS + 0.01)
    assert second is not None
    mean = row(collection, "throughput", "mean")
    assert mean.value == pytest.approx(second + first, rel=0.01)
    assert (mean.n, mean.unit, mean.reason) == (2, "requests/s", "low_coverage")


def test_the_extremes_are_those_of_parts_of_the_window(collection: Collection) -> None:
    low = row(collection, "throughput", "min", "client", client="c1")
    high = row(collection, "throughput", "max", "client", client="c1")
    assert low.value == pytest.approx(10, rel=0.01)
    assert high.value == pytest.approx(40, rel=0.01)
    assert (low.n, high.n, low.status) == (15, 15, "ok")


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("of", ["session", "client"])
def test_a_percentile_is_what_the_server_itself_computes(
    collection: Collection, client: PrometheusClient, start: float, q: float, of: str
) -> None:
    bucket = 'http_server_request_duration_seconds_bucket{session="bench",client=~"c2|$which"}[300000ms]'
    which, labels = ("c1", {}) if of == "session" else ("c2", {"client": "c2"})
    promql = f"histogram_quantile({q}, sum by (le) (increase({bucket.replace('$which', which)})))"
    (theirs,) = client.query(promql, start + SECONDS).series
    ours = row(collection, "latency", f"p{round(q * 100)}", of, **labels)
    assert ours.value == pytest.approx(theirs.value * 1000, rel=1e-9)
    assert ours.bucket_lo is not None
    assert ours.bucket_hi is not None
    assert ours.bucket_lo <= theirs.value * 1000 <= ours.bucket_hi


def test_the_mean_latency_and_how_many_requests_it_rests_on(collection: Collection) -> None:
    mean = row(collection, "latency", "mean")
    assert mean.value == pytest.approx(100, rel=1e-3)
    throughput = row(collection, "throughput", "mean").value
    assert throughput is not None
    assert mean.n == pytest.approx(throughput * SECONDS, abs=1)


def test_cpu_utilisation_is_busy_time_over_all_time(collection: Collection) -> None:
    for stat in ("mean", "max"):
        found = row(collection, "cpu_util", stat, "node", node="n1")
        assert found.value == pytest.approx(30, rel=1e-6)
        assert (found.unit, found.coverage, found.status) == ("%", 1, "ok")


def test_an_absent_metric_is_no_data(collection: Collection) -> None:
    found = row(collection, "gpu_util", "mean")
    assert (found.value, found.status, found.reason) == (None, "no_data", "metric_absent")


def test_coverage_counts_the_scrapes_inside_the_window_only(collection: Collection) -> None:
    targets = {target.client: target for target in collection.coverage if target.job == "triton"}
    assert [
        (t.expected_scrapes, t.scrapes, t.successes, t.resets)
        for t in map(targets.get, ("c1", "c2", "c3"))
        if t
    ] == [(60, 60, 60, 0), (60, 60, 60, 1), (60, 60, 0, None)]
    assert row(collection, "throughput", "mean").coverage == pytest.approx(2 / 3)
    assert collection.status == "partial"
    assert [reason.code for reason in collection.reasons] == ["target_down"]


def test_no_query_failed_or_warned(collection: Collection) -> None:
    assert not collection.warnings
    assert not [query for query in collection.queries if query.error]


def test_a_window_before_all_data_failed(client: PrometheusClient, start: float) -> None:
    window = Window("early", start - 3000, start - 2900)
    request = CollectionRequest("bench", window, (), INTERVAL, 0.95, load_recipes())
    found = collect(request, client)
    assert (found.status, [reason.code for reason in found.reasons]) == ("failed", ["no_targets"])
    assert {each.status for each in found.rows} == {"no_data"}
    assert {each.reason for each in found.rows} == {"no_targets"}
