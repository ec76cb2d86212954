"""Native histograms against the truth: an exporter whose every observation is known, on each real Prometheus.

With each scrape it has observed so many more, and once it restarts. The window's edges are scrapes, so that
what was observed between them is exactly what happened in it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import pyarrow.parquet as pq
import pytest

from monitord.artifacts import store
from monitord.artifacts.collected_files import collect_into_files
from monitord.artifacts.contents import window_files
from monitord.artifacts.derive import derive
from monitord.artifacts.manifest import Provenance, manifest
from monitord.artifacts.verify import verify_files
from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.summary import KpiRow
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import CLASSIC_BESIDE_NATIVE, Build, has_left_open_ranges
from monitord.recipes.load import check_recipe
from monitord.windows.model import Window
from tests.conftest import wait_until
from tests.fakes.guard import permit
from tests.fakes.native import CONTENT_TYPE, family, histogram
from tests.integration.prometheus.conftest import Response, exporters, prepared_server

pytestmark = pytest.mark.real

INTERVAL = 0.5  # a scrape that takes longer, on a busy machine, fails, and what it read is lost
FIRST, RESTART, LAST, SCRAPES = 4, 12, 22, 26
SCHEMAS = {"0": 3, "1": 1}  # by GPU
BOUNDS = [0.01, 0.1, 1.0, 10.0]
TARGET = {"job": "web", "client": "c1", "service": "web", "node": "n1", "session": "s"}
RECIPE = b"""\
name: own
help: h
applies: when_present
kpis:
  - {name: native, help: h, unit: ms, scale: 1000, kind: histogram, metric: native_seconds, by: [gpu],
     stats: [mean, count, rate, total, p50, p95, p99]}
  - {name: dual, help: h, unit: s, kind: histogram, metric: dual_seconds, stats: [count, p95]}
  - {name: born, help: h, unit: s, kind: histogram, metric: born_seconds, stats: [count]}
  - {name: scrapes, help: h, unit: s, kind: gauge, metric: scrape_duration_seconds, stats: [max]}
"""
OWN = check_recipe(RECIPE)


def observed(scrape: int, gpu: str) -> list[float]:
    """Return what was observed since the scrape before, in seconds; the second GPU is slower."""
    chance = random.Random(f"{scrape}/{gpu}")
    return [chance.lognormvariate(math.log(0.05 * 4 ** int(gpu)), 0.7) for _ in range(40)]


def between(gpus: str) -> list[float]:
    return sorted(value for gpu in gpus for n in range(FIRST + 1, LAST + 1) for value in observed(n, gpu))


def exposition(scrape: int) -> bytes:
    """Return what the scrape reads: all since the start, or the restart."""
    since = range(RESTART if scrape >= RESTART else 0, scrape + 1)
    seen = {gpu: [value for n in since for value in observed(n, gpu)] for gpu in SCHEMAS}
    native = (histogram(seen[gpu], {"gpu": gpu}, schema) for gpu, schema in SCHEMAS.items())
    parts = [family("native_seconds", *native), family("dual_seconds", histogram(seen["0"], {}, 3, BOUNDS))]
    if scrape > RESTART:
        parts.append(family("born_seconds", histogram(seen["1"], {}, 2)))
    return b"".join(parts)


@dataclass(frozen=True)
class Measured:
    build: Build
    request: CollectionRequest
    collection: CollectedWindow
    client: PrometheusClient

    def row(self, kpi: str, stat: str, gpu: str = "") -> KpiRow:
        (found,) = (r for r in self.collection.rows if (r.kpi, r.stat, r.gpu) == (kpi, stat, gpu))
        return found


@pytest.fixture(scope="module")
def measured(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    scrapes = iter(range(10**6))

    def respond(path: str, accepts: str) -> Response:
        assert "protobuf" in accepts
        return 200, {"Content-Type": CONTENT_TYPE}, exposition(next(scrapes))

    folder = tmp_path_factory.mktemp("native") / "prometheus"
    with exporters(respond) as url, prepared_server(folder, build, True, INTERVAL) as server:
        server.scrape("web", url, **TARGET)
        process = server.start()
        with server.client(wait_until(process.listening_url, "Prometheus to listen")) as client:
            wait_until(client.ready, "Prometheus to be ready")

            def times() -> list[float]:
                (up,) = client.query('up{session="s"}[1h]').series or [None]
                found = [] if up is None else [time for time, _ in up.samples]
                return found if len(found) > SCRAPES else []

            at = wait_until(times, "all scrapes", 60)
            version = client.build_info()["version"]
            labels = {**TARGET, "instance": url.removeprefix("http://")}
            request = CollectionRequest(
                "s", Window("w", at[FIRST], at[LAST]), (ExpectedTarget(url, labels, INTERVAL),), INTERVAL,
                0.9, (OWN,), left_open=has_left_open_ranges(version), native_histograms=True,
            )  # fmt: skip
            yield Measured(build, request, collect(request, client), client)


@pytest.mark.parametrize("gpu", ["0", "1", ""])
def test_what_was_observed_is_counted_across_the_restart(measured: Measured, gpu: str) -> None:
    truth = between(gpu or "01")
    seconds = measured.request.window.seconds
    count = measured.row("native", "count", gpu)
    assert count.value == pytest.approx(len(truth), rel=0.0005)
    assert (count.status, count.reason) == ("partial", "counter_reset")
    assert count.value_lo is not None
    assert (count.value_lo <= len(truth), count.value_hi) == (True, math.inf)
    assert measured.row("native", "rate", gpu).value == pytest.approx(len(truth) / seconds, rel=0.0005)
    assert measured.row("native", "mean", gpu).value == pytest.approx(fmean(truth) * 1000, rel=1e-6)
    assert measured.row("native", "total", gpu).value == pytest.approx(sum(truth) * 1000, rel=0.0005)


@pytest.mark.parametrize("gpu", ["0", "1", ""])
@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_a_percentile_lies_in_the_bucket_that_holds_the_true_one(
    measured: Measured, gpu: str, q: float
) -> None:
    truth = between(gpu or "01")
    true = truth[math.ceil(q * len(truth)) - 1] * 1000
    found = measured.row("native", f"p{q * 100:.0f}", gpu)
    assert found.value is not None
    assert found.bucket_lo is not None
    assert found.bucket_hi is not None
    assert found.bucket_lo < true <= found.bucket_hi
    assert found.bucket_lo <= found.value <= found.bucket_hi
    # Where both resolutions are merged, buckets are as wide as those of the coarser one.
    assert found.bucket_hi / found.bucket_lo == pytest.approx(2**2 ** -SCHEMAS[gpu or "1"])
    assert (found.status, found.reason) == ("partial", "counter_reset" if gpu else "mixed_buckets")


def test_the_classic_form_is_read_where_there_is_one(measured: Measured) -> None:
    found, truth = measured.row("dual", "p95"), between("0")
    assert measured.row("dual", "count").value == pytest.approx(len(truth), rel=0.0005)
    assert found.bucket_lo is not None
    assert found.bucket_hi is not None
    assert found.bucket_lo < truth[math.ceil(0.95 * len(truth)) - 1] <= found.bucket_hi
    is_classic = (found.bucket_lo, found.bucket_hi) == (0.1, 1.0)
    assert is_classic == (measured.build.version >= CLASSIC_BESIDE_NATIVE)


def test_what_a_histogram_held_when_it_was_born_is_told(measured: Measured) -> None:
    # Where a classic count fell, the process restarted, and the new series may have counted more before that.
    assert measured.row("born", "count").reason in {"series_born", "counter_reset"}


def test_the_restart_was_seen(measured: Measured) -> None:
    (target,) = measured.collection.coverage
    assert target.resets == 1
    assert measured.collection.status == "complete"


def test_values_over_time_add_up(measured: Measured) -> None:
    (course,) = (
        each
        for each in measured.collection.timeseries
        if (each.kpi, each.stat, each.gpu) == ("native", "p50", "0")
    )
    values = course.values
    assert len(values) > 2
    assert all(value is not None and 20 < value < 100 for value in values)


@pytest.fixture
def folder(measured: Measured, tmp_path: Path) -> Path:
    collection, version = measured.collection, str(measured.build.version)
    prometheus = {"version": version, "scrape_interval_seconds": INTERVAL, "native_histograms": True}
    files = window_files(collection, {"recipes/own.yaml": RECIPE})
    samples = collect_into_files(measured.request, measured.client, tmp_path, most=200)
    published = manifest(collection, Provenance("1", "3", {}, prometheus))
    return store.publish(
        tmp_path, "w", {**files, **samples.files}, published, rows=samples.rows, permit=permit()
    )


def test_raw_histograms_are_kept(measured: Measured, folder: Path) -> None:
    table = pq.read_table(folder / "histograms").to_pylist()
    rows = [row for row in table if (row["metric"], row["gpu"]) == ("native_seconds", "0")]
    (last,) = (row for row in rows if row["timestamp"].timestamp() == measured.request.window.end)
    seen = [value for n in range(RESTART, LAST + 1) for value in observed(n, "0")]
    assert last["histogram"]["count"] == len(seen)
    assert last["histogram"]["sum"] == pytest.approx(math.fsum(seen))
    for bucket in last["histogram"]["buckets"]:
        assert bucket["count"] == sum(bucket["low"] < value <= bucket["high"] for value in seen)
    assert sum(bucket["count"] for bucket in last["histogram"]["buckets"]) == len(seen)


def test_what_rests_on_native_histograms_is_derived_again(folder: Path) -> None:
    assert verify_files(folder) == []
    derivation = derive(folder)
    assert derivation.differences == ()
    assert derivation.notes == ()
    assert derivation.rows > 20


def test_without_the_setting_native_histograms_are_not_asked_for(measured: Measured) -> None:
    named = Window("w", measured.request.window.start, measured.request.window.end, recipes=("own",))
    plain = collect(replace(measured.request, native_histograms=False, window=named), measured.client)
    (row,) = (row for row in plain.rows if (row.kpi, row.stat, row.scope) == ("native", "p95", "session"))
    assert (row.value, row.reason) == (None, "metric_absent")
