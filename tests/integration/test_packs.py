"""Every pack on an exposition of what it is for, scraped by each real Prometheus.

The first line of an exposition says where it comes from. It is served as it is and then with all its
counters doubled, so that a window from the first scrape to the last holds exactly what it says.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import Build, has_left_open_ranges
from monitord.prometheus.child.logfmt import listening_url
from monitord.prometheus.config.programs import find_promtool
from monitord.recipes.load import load_recipes
from monitord.windows.model import Window
from tests.conftest import wait_until
from tests.fakes.exporter import FakeExporter

pytestmark = pytest.mark.real

EXPOSITIONS = Path(__file__).parents[1] / "expositions"
INTERVAL = 0.5
SCRAPES = 3  # before the counters are doubled, and after
# What a window holds beside the defaults, by the expositions in it: the KPIs that must come out. After an @
# comes a variant: an older version of the service, in which some KPIs are missing.
PACKS: Mapping[tuple[str, ...], Mapping[str, Mapping[str, float]]] = {
    ("vllm",): {
        "vllm_generated_tokens": {"total": 20000},
        "vllm_prompt_tokens": {"total": 50000},
        "vllm_requests": {"total": 100},
        "vllm_ttft": {"mean": 80, "p50": 60, "p95": 175},
        "vllm_itl": {"mean": 20, "p50": 17.5},
        "vllm_e2e_latency": {"mean": 4000, "p99": 9750},
        "vllm_queue_time": {"mean": 50, "p50": 100},
        "vllm_prefill_time": {"mean": 100, "p50": 300 * 50 / 90},
        "vllm_decode_time": {"mean": 3900, "p50": 3750},
        "vllm_time_per_output_token": {"mean": 20, "p99": 48.75},
        "vllm_running": {"mean": 12, "p95": 12},
        "vllm_waiting": {"max": 3},
        "vllm_kv_cache": {"mean": 25},
        "vllm_prefix_cache_hits": {"mean": 40},
        "vllm_preemptions": {"total": 2},
    },
    ("vllm@0.8",): {
        "vllm_generated_tokens": {"total": 20000},
        "vllm_itl": {"mean": 20, "p50": 17.5},
        "vllm_prefill_time": {"mean": 100},
        "vllm_decode_time": {"mean": 3900},
        "vllm_kv_cache": {"mean": 25},
        "vllm_prefix_cache_hits": {"mean": 40},
    },
    ("sglang",): {
        "sglang_generated_tokens": {"total": 10000},
        "sglang_prompt_tokens": {"total": 30000},
        "sglang_requests": {"total": 100},
        "sglang_ttft": {"mean": 160, "p50": 162.5},
        "sglang_itl": {"mean": 20, "p50": 20},
        "sglang_e2e_latency": {"mean": 2500, "p50": 3000},
        "sglang_running": {"mean": 8},
        "sglang_waiting": {"mean": 1},
        "sglang_token_usage": {"mean": 50},
        "sglang_cache_hits": {"mean": 30},
    },
    ("tgi",): {
        "tgi_generated_tokens": {"total": 10000},
        "tgi_prompt_tokens": {"total": 30000},
        "tgi_requests": {"total": 100},
        "tgi_latency": {"mean": 3000, "p95": 6000},
        "tgi_time_per_token": {"mean": 30, "p50": 30},
        "tgi_queue_time": {"mean": 40, "p50": 50},
        "tgi_queue": {"mean": 2},
        "tgi_batch": {"max": 16},
    },
    ("triton",): {
        "triton_requests": {"total": 200},
        "triton_failures": {"total": 4},
        "triton_inferences": {"total": 1600},
        "triton_batch": {"mean": 4},
        "triton_request_time": {"mean": 5},
        "triton_queue_time": {"mean": 1},
        "triton_compute_time": {"mean": 3},
        "triton_pending": {"mean": 5},
    },
    ("triton-summaries",): {"triton_latency": {"mean": 5, "p50": 4, "p90": 8, "p95": 9, "p99": 12}},
    ("dcgm",): {
        "gpu_memory_used": {"mean": 15200, "max": 30000},
        "gpu_memory_free": {"min": 10000},
        "gpu_memory_copy_util": {"mean": 20},
        "gpu_power": {"mean": 200, "max": 300, "p50": 200},
        "gpu_energy": {"total": 4000},
        "gpu_temperature": {"max": 60},
        "gpu_sm_clock": {"min": 1200},
    },
    ("dcgm@mig",): {
        "gpu_memory_used": {"mean": 10000, "max": 15000},
        "gpu_memory_free": {"mean": 10000, "min": 5000},
        "gpu_power": {"mean": 300},
        "gpu_energy": {"total": 3000},
        "gpu_temperature": {"mean": 60},
        "gpu_sm_clock": {"min": 1410},
    },
    ("dcgm-profiling",): {
        "gpu_engine_active": {"mean": 50},
        "gpu_tensor_active": {"max": 60},
        "gpu_dram_active": {"mean": 30},
    },
    ("dcgm-profiling@mig",): {
        "gpu_util": {"mean": 50, "max": 90},
        "gpu_engine_active": {"mean": 50},
    },
    ("energy-vllm", "dcgm", "vllm"): {
        "vllm_energy_per_token": {"mean": 0.2},
        "vllm_energy_per_request": {"mean": 40},
    },
    ("energy-sglang", "dcgm", "sglang"): {
        "sglang_energy_per_token": {"mean": 0.4},
        "sglang_energy_per_request": {"mean": 40},
    },
    ("energy-tgi", "dcgm", "tgi"): {
        "tgi_energy_per_token": {"mean": 0.4},
        "tgi_energy_per_request": {"mean": 40},
    },
    ("energy-triton", "dcgm", "triton"): {"triton_energy_per_request": {"mean": 20}},
    ("qdrant",): {
        "qdrant_rest_requests": {"total": 100},
        "qdrant_rest_failures": {"total": 5},
        "qdrant_rest_latency": {"mean": 4, "p50": 3.5},
        "qdrant_grpc_requests": {"total": 40},
        "qdrant_grpc_failures": {"total": 1},
        "qdrant_grpc_latency": {"mean": 2, "p50": 3},
    },
    ("qdrant@1.16",): {
        "qdrant_rest_failures": {"total": 5},
        "qdrant_grpc_requests": {"total": 40},
        "qdrant_grpc_failures": {"total": 1},
    },
    ("milvus",): {
        "milvus_searches": {"total": 100},
        "milvus_hybrid_searches": {"total": 20},
        "milvus_hybrid_search_latency": {"mean": 22, "p50": 24},
        "milvus_failures": {"total": 3},
        "milvus_search_latency": {"mean": 10, "p50": 8, "p95": 15.2},
        "milvus_insert_latency": {"mean": 24, "p50": 24},
        "milvus_received": {"total": 6e6},
        "milvus_sent": {"total": 2e6},
    },
    ("postgres",): {
        "postgres_commits": {"total": 500},
        "postgres_rollbacks": {"total": 5},
        "postgres_rows_fetched": {"total": 10000},
        "postgres_rows_inserted": {"total": 1000},
        "postgres_cache_hits": {"value": 90},
        "postgres_temporary_bytes": {"total": 8192},
        "postgres_connections": {"max": 7},
    },
    ("postgres-statements",): {
        "postgres_statements": {"total": 100},
        "postgres_statement_time": {"mean": 10},
        "postgres_statement_rows": {"mean": 9.1},
    },
    ("minio",): {
        "minio_requests": {"total": 200},
        "minio_errors": {"total": 2},
        "minio_received": {"total": 4e6},
        "minio_sent": {"total": 6e7},
        "minio_inflight": {"max": 6},
        "minio_ttfb": {"p50": 50, "p99": 99},
    },
    ("minio@v2",): {
        "minio_requests": {"total": 200},
        "minio_errors": {"total": 2},
        "minio_received": {"total": 4e6},
        "minio_sent": {"total": 6e7},
        "minio_inflight": {"max": 6},
        "minio_ttfb": {"p50": 50, "p99": 99},
    },
    ("lustre",): {
        "lustre_read": {"total": 4e8},
        "lustre_write": {"total": 1e8},
        "lustre_reads": {"total": 400},
        "lustre_writes": {"total": 100},
        "lustre_metadata": {"total": 100},
    },
}  # fmt: skip
TWICE = frozenset({"dcgm", "dcgm@mig", "minio", "minio@v2"})
"""Sessions in which every exporter is registered by two clients, under two names of its host."""
each_pack = pytest.mark.parametrize("held", PACKS, ids=lambda held: held[0])


def exposition(held: tuple[str, ...], times: int = 1) -> str:
    """Return all expositions in a pack's window, their counters multiplied."""
    files = [EXPOSITIONS / f"{name}.prom" for name in held if not name.startswith("energy-")]
    return "".join(multiplied(file.read_text(), times) for file in files)


def recipe_of(name: str) -> str:
    return name.partition("@")[0]


def is_variant(held: tuple[str, ...]) -> bool:
    return any("@" in name for name in held)


def multiplied(text: str, times: int) -> str:
    lines, counts = [], False
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            # MinIO's version 2 calls the buckets of its histogram gauges.
            counts = not line.endswith(" gauge") or line.endswith("_distribution gauge")
        series, _, value = line.rpartition(" ")
        grows = counts and not line.startswith("#") and "quantile=" not in series
        lines.append(f"{series} {float(value) * times!r}\n" if grows else f"{line}\n")
    return "".join(lines)


@dataclass(frozen=True)
class Scraped:
    """A Prometheus that has scraped every exposition, each as a session of its own."""

    client: PrometheusClient

    def collected(self, session: str) -> CollectedWindow:
        """Collect the window from the session's second scrape to its last but one."""
        (up,) = self.client.query(f'up{{session="{session}",client="c1"}}[1h]', time.time()).series
        window = Window("run01", up.samples[1][0], up.samples[-2][0])
        left_open = has_left_open_ranges(self.client.build_info()["version"])
        request = CollectionRequest(session, window, (), INTERVAL, 0.5, load_recipes(), left_open=left_open)
        return collect(request, self.client)


def scrape_config(session: str, exporter: FakeExporter) -> dict[str, object]:
    labels = {"session": session, "service": session, "node": "n1"}
    addresses = {"c1": exporter.address}
    if session in TWICE:
        addresses["c2"] = exporter.address.replace("127.0.0.1", "localhost")
    targets = [
        {"targets": [address], "labels": {**labels, "client": client}}
        for client, address in addresses.items()
    ]
    return {"job_name": session, "static_configs": targets}


@pytest.fixture(scope="module")
def scraped(each_build: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraped]:
    folder = tmp_path_factory.mktemp("packs")
    with ExitStack() as stack:
        exporters = {held: stack.enter_context(FakeExporter()) for held in PACKS}
        for held, exporter in exporters.items():
            exporter.expose(exposition(held))
        interval = f"{INTERVAL * 1000:.0f}ms"
        config = {
            "global": {"scrape_interval": interval, "scrape_timeout": interval},
            "scrape_configs": [scrape_config(held[0], exporter) for held, exporter in exporters.items()],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = [str(each_build.binary), "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                   "--web.listen-address=127.0.0.1:0"]  # fmt: skip
        log = stack.enter_context((folder / "log").open("wb"))
        server = subprocess.Popen(command, cwd=folder, stderr=log, stdout=log)
        stack.callback(server.wait)
        stack.callback(server.kill)
        url = wait_until(lambda: listening_url((folder / "log").read_text()), "Prometheus to listen")
        client = stack.enter_context(PrometheusClient(url))
        wait_until(client.ready, "Prometheus to be ready")
        wait_for_scrapes(client, SCRAPES)
        for held, exporter in exporters.items():
            exporter.expose(exposition(held, times=2))
        seen = max(exporter.scrapes for exporter in exporters.values())
        wait_for_scrapes(client, seen + SCRAPES)
        yield Scraped(client)


def wait_for_scrapes(client: PrometheusClient, least: int) -> None:
    def done() -> bool:
        up = client.query("sum_over_time(up[1h])", time.time()).series
        return len(up) == len(PACKS) + len(TWICE) and min(series.value for series in up) >= least

    wait_until(done, f"{least} scrapes of every exposition")


@each_pack
def test_a_pack_gives_its_kpis(scraped: Scraped, held: tuple[str, ...]) -> None:
    collection = scraped.collected(held[0])
    found = {(row.kpi, row.stat): row for row in collection.rows if row.scope == "session"}
    recipes = {recipe.name: recipe for recipe in collection.request.recipes}
    assert recipes.keys() == {*map(recipe_of, held), "gpu", "http", "node"}
    if not is_variant(held):
        assert PACKS[held].keys() == {kpi.name for kpi in recipes[held[0]].kpis}
    for kpi, stats in PACKS[held].items():
        for stat, value in stats.items():
            assert found[kpi, stat].value == pytest.approx(value, rel=1e-3), f"{kpi} {stat}"
    own = [row for row in found.values() if row.kpi in PACKS[held]]
    assert {row.reason for row in own} <= {
        "",
        "summary_own_window",
        "wide_bucket",
        "few_observations",
        "first_bucket",
    }
    assert not [query for query in collection.queries if query.error]
    assert all("lies between" in warning for warning in collection.warnings)


@pytest.mark.parametrize("session", sorted(TWICE))
def test_what_two_clients_have_scraped_counts_once_in_each_scope(scraped: Scraped, session: str) -> None:
    kpis = [kpi for kpi, stats in PACKS[session,].items() if "value" not in stats]
    rows = [row for row in scraped.collected(session).rows if row.kpi in kpis]
    whole = {(row.kpi, row.stat): row.value for row in rows if row.scope == "session"}
    of_clients = [row for row in rows if row.scope == "client"]
    assert {row.client for row in of_clients} == {"c1", "c2"}
    for row in of_clients:
        assert row.stat in {"min", "max"} or row.value == pytest.approx(whole[row.kpi, row.stat], rel=0.05), (
            row
        )


def test_the_rows_of_a_gpu_cover_all_of_its_mig_instances(scraped: Scraped) -> None:
    rows = [row for row in scraped.collected("dcgm@mig").rows if row.scope == "gpu"]
    found = {(row.kpi, row.stat): row.value for row in rows}
    assert {row.gpu for row in rows} == {"0"}
    assert found["gpu_memory_used", "mean"] == pytest.approx(10000)
    assert found["gpu_power", "mean"] == pytest.approx(300)
    assert found["gpu_energy", "total"] == pytest.approx(3000)


@each_pack
def test_an_exposition_is_one_that_promtool_reads(each_build: Build, held: tuple[str, ...]) -> None:
    promtool = find_promtool(each_build)
    assert promtool
    check = subprocess.run(
        [promtool, "check", "metrics"], input=exposition(held), text=True, check=False, capture_output=True
    )
    # 3 is a complaint about style, such as a name without its unit; 1 is no exposition.
    assert check.returncode in {0, 3}, check.stderr


def test_every_packaged_recipe_that_applies_when_present_is_tested() -> None:
    packs = {recipe.name for recipe in load_recipes() if recipe.applies == "when_present"}
    assert packs == {held[0] for held in PACKS if not is_variant(held)}


@pytest.mark.parametrize("file", sorted(EXPOSITIONS.iterdir()), ids=lambda file: file.stem)
def test_an_exposition_says_where_it_comes_from(file: Path) -> None:
    first = file.read_text().partition("\n")[0]
    assert first.startswith(("# Written by hand after ", "# Recorded from "))
    assert file.stem in {name for held in PACKS for name in held}
