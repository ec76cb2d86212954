"""The numbers of a window against every single observation, on each real Prometheus.

Eight busy and fast minutes, then two quiet and slow ones, with a restart in between: what per-step
percentiles and their mean get wrong. Scrapes bracket the window, so that counts are exact.
"""

from __future__ import annotations

import math
import subprocess
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import pytest

from monitord.collect.collect import collect
from monitord.collect.collection import Collection
from monitord.collect.request import CollectionRequest
from monitord.prometheus.api import PrometheusClient
from monitord.prometheus.command import Build, has_left_open_ranges
from monitord.prometheus.process import find_promtool
from monitord.recipes.load import load_recipes
from monitord.windows.model import Window
from tests.integration.test_collection import serving

pytestmark = pytest.mark.real

SECONDS = 600
SLOW_AT = 480  # seconds into the window at which the service gets slow, and clients go away
RESTART_AT = 240  # right after a scrape, so that no observation is lost
INTERVAL = 5
STEP = 15  # seconds of a dashboard's step
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
HISTOGRAM = "http_server_request_duration_seconds"
LABELS = 'job="web",instance="n1:80",client="c1",service="web",node="n1",session="truth"'


def observations(second: int) -> list[float]:
    """Return the latencies, in seconds, of the requests answered in one second of the window."""
    if second >= SLOW_AT:
        return [0.8, 2.4]
    return [0.02 + 0.0003 * (number % 200) if number % 50 else 0.1 + 0.0005 * second for number in range(200)]


TRUTH = sorted(latency for second in range(SECONDS) for latency in observations(second))


def true_quantile(q: float) -> float:
    return TRUTH[math.ceil(q * len(TRUTH)) - 1]


def exposition(start: float) -> Iterator[str]:
    """Write the histogram as a scrape every INTERVAL finds it, from the window's start to its end."""
    latencies: list[float] = []
    for second in range(SECONDS + 1):
        if second % INTERVAL == 0:
            seen = sorted(latencies)
            now = f"{start + second:.3f}"
            for bound in BOUNDS:
                yield f'{HISTOGRAM}_bucket{{{LABELS},le="{bound}"}} {bisect_right(seen, bound)} {now}'
            yield f'{HISTOGRAM}_bucket{{{LABELS},le="+Inf"}} {len(seen)} {now}'
            yield f"{HISTOGRAM}_count{{{LABELS}}} {len(seen)} {now}"
            yield f"{HISTOGRAM}_sum{{{LABELS}}} {math.fsum(seen)!r} {now}"
            yield f"http_requests_total{{{LABELS}}} {len(seen)} {now}"
            yield f"up{{{LABELS}}} 1 {now}"
        if second == RESTART_AT:
            latencies.clear()
        latencies += observations(second)


@pytest.fixture(scope="module")
def start() -> float:
    return float(int(time.time()) - 3600) + 0.5


@pytest.fixture(scope="module")
def client(
    each_build: Build, start: float, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrometheusClient]:
    folder = tmp_path_factory.mktemp("truth")
    promtool = find_promtool(each_build)
    assert promtool
    (folder / "samples.om").write_text("\n".join([*exposition(start), "# EOF\n"]))
    backfill = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", "samples.om", "blocks"]
    subprocess.run(backfill, cwd=folder, check=True, capture_output=True)
    with serving(each_build, folder / "blocks", folder) as connection:
        yield connection


@pytest.fixture(scope="module")
def collection(client: PrometheusClient, start: float) -> Collection:
    left_open = has_left_open_ranges(client.build_info()["version"])
    window = Window("run01", start, start + SECONDS)
    request = CollectionRequest("truth", window, (), INTERVAL, 0.95, load_recipes(), left_open=left_open)
    return collect(request, client)


def test_the_throughput_is_every_request_over_the_length(collection: Collection) -> None:
    (mean,) = (r for r in collection.rows if (r.kpi, r.stat, r.scope) == ("throughput", "mean", "session"))
    assert mean.value == pytest.approx(len(TRUTH) / SECONDS, rel=1e-5)
    assert mean.status == "ok"
    assert [target.resets for target in collection.coverage] == [1]


def test_the_mean_latency_is_that_of_every_request(collection: Collection) -> None:
    (mean,) = (r for r in collection.rows if (r.kpi, r.stat, r.scope) == ("latency", "mean", "session"))
    assert mean.value == pytest.approx(1000 * math.fsum(TRUTH) / len(TRUTH), rel=1e-5)
    assert mean.n == pytest.approx(len(TRUTH), abs=1)


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_a_percentile_is_in_the_bucket_of_the_true_one(collection: Collection, q: float) -> None:
    name = f"p{round(q * 100)}"
    (found,) = (r for r in collection.rows if (r.kpi, r.stat, r.scope) == ("latency", name, "session"))
    assert found.value is not None
    assert found.bucket_lo is not None
    assert found.bucket_hi is not None
    truth = true_quantile(q) * 1000
    assert found.bucket_lo < truth <= found.bucket_hi
    assert found.bucket_lo <= found.value <= found.bucket_hi
    assert bisect_left(BOUNDS, found.bucket_hi / 1000) - bisect_left(BOUNDS, found.bucket_lo / 1000) == 1


def test_the_mean_of_percentiles_per_step_is_off_by_more_than_a_bucket(
    client: PrometheusClient, start: float
) -> None:
    per_step = f"histogram_quantile(0.99, sum by (le) (rate({HISTOGRAM}_bucket[{STEP}s])))"
    (steps,) = client.query_range(per_step, start + STEP, start + SECONDS, STEP).series
    mean = math.fsum(value for _, value in steps.samples) / len(steps.samples)
    assert bisect_left(BOUNDS, mean) - bisect_left(BOUNDS, true_quantile(0.99)) > 1
