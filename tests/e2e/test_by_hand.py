"""With plain files alone: targets copied in, markers touched, results read, and all of it true."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import REPOSITORY, Bench, benches, node_exporter, refused, session_rows
from tests.fakes.exporter import FakeExporter, counter, gauge

pytestmark = pytest.mark.real

RATE = 40.0
SHARES = {0.005: 0.02, 0.01: 0.14, 0.02: 0.58, 0.05: 0.18, 0.1: 0.075, 0.5: 0.005}  # observation -> share
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
BUCKETS = {"p50": (10, 25), "p95": (50, 100), "p99": (50, 100)}  # ms
GPUS = {"0": 40.0, "1": 80.0}
SUMMARY = (
    "run_id,kpi,stat,value,unit,scope,client,service,node,gpu,n,bucket_lo,bucket_hi,coverage,status,reason,"
    "value_lo,value_hi"
)
COVERAGE = (
    "job,instance,client,service,node,expected_scrapes,scrapes,up_ratio,longest_gap_s,resets,"
    "first_seen,last_seen,not_made,failed,error"
)
EVENTS = {
    "daemon.started",
    "watch.started",
    "prometheus.started",
    "prometheus.ready",
    "target_file.accepted",
    "target_file.withdrawn",
    "file_sd.written",
    "window.opened",
    "window.closed",
    "window.collected",
}


class Clockwork(FakeExporter):
    """Counts RATE requests a second, by the clock, with a known spread of durations."""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        total = RATE * (time.time() % 1e6)
        requests = counter("http_requests_total", total, {"method": "GET", "code": "200"})
        self.expose(requests, durations(total))
        super().answer(request)


def durations(total: float) -> str:
    name = "http_server_request_duration_seconds"
    lines = [f"# TYPE {name} histogram"]
    for bound in BOUNDS:
        below = sum(share for seconds, share in SHARES.items() if seconds <= bound)
        lines.append(f'{name}_bucket{{le="{bound}"}} {total * below!r}')
    mean = sum(seconds * share for seconds, share in SHARES.items())
    lines += [
        f'{name}_bucket{{le="+Inf"}} {total!r}',
        f"{name}_sum {total * mean!r}",
        f"{name}_count {total!r}",
    ]
    return "\n".join(lines) + "\n"


def dcgm() -> str:
    def labels(gpu: str) -> dict[str, str]:
        uuid = f"GPU-0000000{gpu}-aaaa-bbbb-cccc-0123456789ab"
        return {"gpu": gpu, "UUID": uuid, "device": f"nvidia{gpu}", "modelName": "NVIDIA A100-SXM4-40GB",
                "Hostname": "mel0042", "DCGM_FI_DRIVER_VERSION": "535.104.05"}  # fmt: skip

    names = {"DCGM_FI_DEV_GPU_UTIL": 1.0, "DCGM_FI_DEV_POWER_USAGE": 5.0, "DCGM_FI_DEV_FB_USED": 100.0}
    return "".join(
        gauge(name, share * value, labels(gpu))
        for name, share in names.items()
        for gpu, value in GPUS.items()
    )


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, str]]:
    """A session that has measured three windows, and the URL of its demo service."""
    with ExitStack() as stack:
        bench = stack.enter_context(benches(tmp_path_factory.mktemp("by-hand")))
        web = stack.enter_context(Clockwork())
        gpus = stack.enter_context(FakeExporter())
        gpus.expose(dcgm())
        node = stack.enter_context(node_exporter(bench.root / "node.log"))
        demo = stack.enter_context(demo_service(bench))
        bench.run()
        bench.drop(
            "c1.yaml",
            f"""\
node: localhost
exporters: {{node: "{node}"}}
services:
  - {{name: web, endpoint: "{web.url}", labels: {{model: llama3-8b}}}}
labels: {{run: bench01}}
""",
        )
        bench.drop("c2.yaml", f"services: [{{name: demo, endpoint: {demo}/metrics}}]\n")
        bench.wait_up("c1.yaml", "c2.yaml")
        measure(bench, "run01", "labels: {batch: '32'}\n",
                "results: {tokens_per_second: {value: 1234.5, unit: tokens/s}}\n")  # fmt: skip
        (bench.session.targets / "c1.yaml").unlink()
        bench.drop("gpus.yaml", f'node: localhost\nexporters: {{dcgm: "{gpus.address}"}}\n')
        wait_until(lambda: bench.target("c1.yaml")["state"] == "withdrawn", "c1.yaml to be withdrawn")
        bench.wait_up("gpus.yaml")
        measure(bench, "gpu01", seconds=3)
        bench.mark("early.yaml", "from: 2020-01-01T00:00:00Z\nto: 2020-01-01T00:01:00Z\n")
        bench.wait_window("early")
        yield bench, demo


@contextmanager
def demo_service(bench: Bench) -> Iterator[str]:
    """Run the demo's service; give its URL."""
    with subprocess.Popen(
        [sys.executable, "-m", "monitord.demo.service", "--rate", "50"], cwd=REPOSITORY,
        stdout=subprocess.PIPE, env=bench.environment(),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.kill()


def measure(bench: Bench, window_id: str, start: str = "", stop: str = "", seconds: float = 6.0) -> None:
    """Open a window, leave it open for as long as data take to become some, close it, await the results."""
    opened = time.monotonic()
    bench.mark(f"{window_id}.start", start)
    wait_until(lambda: time.monotonic() - opened > seconds, "the window's end", seconds + 1)
    bench.mark(f"{window_id}.stop", stop)
    bench.wait_window(window_id)


@pytest.fixture(scope="module")
def bench(hands: tuple[Bench, str]) -> Bench:
    return hands[0]


@pytest.fixture(scope="module")
def rows(bench: Bench) -> list[dict[str, str]]:
    return bench.table("run01", "metrics_summary.csv")


def test_the_window_is_complete(bench: Bench) -> None:
    manifest = bench.manifest("run01")
    assert (manifest["status"], manifest["reasons"]) == ("complete", [])
    assert manifest["window"]["labels"] == {"batch": "32"}
    assert manifest["coverage"] == {"overall": 1.0, "worst": 1.0, "outages": []}


def test_the_window_has_the_times_of_its_markers(bench: Bench) -> None:
    window = bench.manifest("run01")["window"]
    for key, kind in (("from", "start"), ("to", "stop")):
        touched = (bench.session.windows / f"run01.{kind}").stat().st_mtime
        assert datetime.fromisoformat(window[key]).timestamp() == pytest.approx(touched, abs=0.002)
    assert window["from"].endswith("Z")


def test_every_artifact_is_there_and_the_manifest_holds_its_checksum(bench: Bench) -> None:
    folder = bench.session.artifacts / "run01"
    listed = {entry["path"]: entry for entry in bench.manifest("run01")["files"]}
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {*listed, "MANIFEST.json"}
    assert {"metrics_summary.csv", "metrics_summary.json", "coverage.csv", "queries.json"} <= found
    assert {"inputs/prometheus.yml", "inputs/targets.json", "inputs/markers/run01.start"} <= found
    recipes = {path for path in found if path.startswith("inputs/recipes/")}
    assert recipes == {f"inputs/recipes/{name}.yaml" for name in ("http", "node", "gpu")}, "those in force"
    assert any(re.fullmatch(r"samples/service=[^/]+/part-0\.parquet", path) for path in found)
    assert {"series_summary.csv", "series_summary.parquet"} <= found
    for path, entry in listed.items():
        content = (folder / path).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["rows"] == rows_in(folder / path)


def rows_in(file: Path) -> int | None:
    match file.suffix:
        case ".csv":
            return len(list(csv.reader(file.read_text().splitlines()))) - 1
        case ".parquet":
            return int(pq.ParquetFile(file).metadata.num_rows)
        case _:
            return None


def test_every_series_is_summarized_with_its_declared_type(bench: Bench) -> None:
    rows = bench.table("run01", "series_summary.csv")
    by_metric: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_metric.setdefault(row["metric"], []).append(row)
    assert by_metric["up"][0]["type"] == "gauge"
    assert by_metric["http_requests_total"][0]["type"] == "counter"
    assert by_metric["http_server_request_duration_seconds_bucket"][0]["type"] == "histogram"
    for row in by_metric["http_requests_total"]:
        low, value, high = (float(row[name]) for name in ("increase_lo", "increase", "increase_hi"))
        assert low <= value <= high
        assert int(row["n"]) > 1
    covered = {(row["job"], row["instance"]) for row in bench.table("run01", "coverage.csv")}
    assert {(row["job"], row["instance"]) for row in rows} == covered


def test_the_results_are_verified_and_derived_again_without_prometheus(bench: Bench) -> None:
    ran = bench.monitord("verify", "-o", "json", bench.session.artifacts / "run01")
    found = json.loads(ran.stdout)
    assert (found["problems"], found["notes"]) == ([], [])
    rows = [row for row in bench.table("run01", "metrics_summary.csv") if "reported." not in row["kpi"]]
    assert found["derived_rows"] == len(rows) > 20


def test_no_password_is_published(bench: Bench) -> None:
    password = bench.session.password_file.read_bytes().strip()
    files = [path for path in bench.session.artifacts.rglob("*") if path.is_file()]
    assert not [path for path in files if password in path.read_bytes()]


def test_the_tables_are_plain_csv_with_the_columns_of_the_contract(bench: Bench) -> None:
    folder = bench.session.artifacts / "run01"
    for name, header in (("metrics_summary.csv", SUMMARY), ("coverage.csv", COVERAGE)):
        content = (folder / name).read_bytes()
        assert content.splitlines()[0].decode() == header
        assert b"\r" not in content
        assert content.endswith(b"\n")
        assert b"nan" not in content.lower()


def test_the_summary_for_programs_holds_the_same_rows(bench: Bench, rows: list[dict[str, str]]) -> None:
    text = (bench.session.artifacts / "run01" / "metrics_summary.json").read_text()
    summary = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert len(summary["rows"]) == len(rows)
    for ours, theirs in zip(summary["rows"], rows, strict=True):
        assert list(ours) == SUMMARY.split(",")
        assert (ours["kpi"], ours["stat"], ours["scope"]) == (theirs["kpi"], theirs["stat"], theirs["scope"])
        assert ours["value"] == (float(theirs["value"]) if theirs["value"] else None)


def test_throughput_is_what_the_exporter_counted(bench: Bench, rows: list[dict[str, str]]) -> None:
    (mean,) = (
        row for row in rows if (row["kpi"], row["stat"], row["service"]) == ("throughput", "mean", "web")
    )
    assert float(mean["value"]) == pytest.approx(RATE, rel=0.01)
    assert float(mean["value_lo"]) < RATE < float(mean["value_hi"])
    assert (mean["unit"], mean["scope"], mean["client"]) == ("requests/s", "service", "c1")
    # The window is too short for a tenth, and says so.
    assert (mean["status"], mean["reason"]) == ("partial", "edge_uncertain")
    assert any(text.startswith("throughput.mean lies between ") for text in bench.manifest("run01")["advice"])


def test_a_percentile_lies_in_the_bucket_that_holds_it(rows: list[dict[str, str]]) -> None:
    found = {row["stat"]: row for row in rows if (row["kpi"], row["service"]) == ("latency", "web")}
    for stat, bounds in BUCKETS.items():
        value, low, high = (float(found[stat][key]) for key in ("value", "bucket_lo", "bucket_hi"))
        assert (low, high) == pytest.approx(bounds)
        assert low <= value <= high
    true_mean = 1000 * sum(seconds * share for seconds, share in SHARES.items())
    assert float(found["mean"]["value"]) == pytest.approx(true_mean, rel=0.01)


def test_the_numbers_are_those_that_the_service_counted_itself(hands: tuple[Bench, str]) -> None:
    bench, demo = hands
    window = bench.manifest("run01")["window"]
    with urllib.request.urlopen(f"{demo}/truth?from={window['from']}&to={window['to']}", timeout=5) as answer:
        truth = json.load(answer)
    rows = [row for row in bench.table("run01", "metrics_summary.csv") if row["service"] == "demo"]
    found = {(row["kpi"], row["stat"]): row for row in rows if row["scope"] == "service"}
    assert float(found["throughput", "mean"]["value"]) == pytest.approx(truth["rate"], rel=0.06)
    low, high = (float(found["throughput", "mean"][key]) for key in ("value_lo", "value_hi"))
    assert low <= truth["rate"] <= high
    for stat in ("p50", "p95"):
        low, high = (float(found["latency", stat][key]) for key in ("bucket_lo", "bucket_hi"))
        assert low * 0.95 <= truth[stat] * 1000 <= high * 1.05


def test_cpu_utilisation_comes_from_node_exporter(rows: list[dict[str, str]]) -> None:
    for row in session_rows(rows, "cpu_util").values():
        assert 0 < float(row["value"]) <= 100
        assert float(row["value_lo"]) <= float(row["value"]) <= float(row["value_hi"])
        assert row["unit"] == "%"


def test_what_is_unknown_is_empty_and_never_zero(rows: list[dict[str, str]]) -> None:
    found = session_rows(rows, "gpu_util")
    assert set(found) == {"mean", "max"}
    for row in found.values():
        assert (row["value"], row["status"]) == ("", "no_data")
        assert row["reason"]


def test_what_the_client_measured_stands_beside_it(rows: list[dict[str, str]]) -> None:
    (row,) = (row for row in rows if row["kpi"] == "reported.tokens_per_second")
    assert (float(row["value"]), row["unit"], row["scope"]) == (1234.5, "tokens/s", "session")


def test_each_gpu_has_its_own_row(bench: Bench) -> None:
    rows = bench.table("gpu01", "metrics_summary.csv")
    of_gpus = [row for row in rows if (row["kpi"], row["scope"]) == ("gpu_util", "gpu")]
    found = {(row["gpu"], row["stat"]): float(row["value"]) for row in of_gpus}
    assert found == {(gpu, stat): value for gpu, value in GPUS.items() for stat in ("mean", "max")}
    session = session_rows(rows, "gpu_util")
    assert float(session["mean"]["value"]) == pytest.approx(60)
    assert float(session["max"]["value"]) == 80


def test_what_monitoring_itself_cost_is_told(bench: Bench) -> None:
    cost = bench.manifest("run01")["own_cost"]
    for process in ("daemon", "prometheus"):
        assert cost[process]["cpu_seconds"] > 0
    scrapes = sum(int(row["scrapes"]) for row in bench.table("run01", "coverage.csv"))
    assert cost["scrapes"] == scrapes
    assert cost["scraped_bytes"] > 100 * scrapes


def test_the_clock_of_the_markers_is_that_of_the_scrapes(bench: Bench) -> None:
    clock = bench.manifest("run01")["clock"]
    assert abs(clock["files_ahead_seconds"]) < 0.5
    assert bench.manifest("run01")["warnings"] == []


def test_packs_apply_to_the_windows_that_hold_their_metrics(bench: Bench) -> None:
    kpis = {window: {row["kpi"] for row in bench.table(window, "metrics_summary.csv")}
            for window in ("run01", "gpu01")}  # fmt: skip
    assert "gpu_power" in kpis["gpu01"]
    assert "gpu_power" not in kpis["run01"]
    assert not any(kpi.startswith("vllm") for kpi in kpis["gpu01"])


def test_a_withdrawn_target_is_in_no_later_window(bench: Bench) -> None:
    assert {row["job"] for row in bench.table("gpu01", "coverage.csv")} <= {"demo", "dcgm", "web", "node"}
    declared = {t["job"] for t in bench.manifest("gpu01")["targets"] if t["url"]}
    assert declared == {"demo", "dcgm"}
    assert bench.target("c1.yaml")["in_force"] is None


def test_coverage_tells_of_every_target(bench: Bench) -> None:
    found = {row["job"]: row for row in bench.table("run01", "coverage.csv")}
    assert set(found) == {"web", "node", "demo"}
    for row in found.values():
        assert int(row["scrapes"]) >= int(row["expected_scrapes"]) >= 8
        assert (float(row["up_ratio"]), row["client"]) == (1, "c2" if row["job"] == "demo" else "c1")
        assert float(row["longest_gap_s"]) < 3
        assert row["first_seen"].endswith("Z")
        assert row["last_seen"] > row["first_seen"]


def test_the_queries_can_be_asked_again(bench: Bench) -> None:
    asked = read_json(bench, "run01", "queries.json")["queries"]
    assert {query["use"] for query in asked} >= {"targets", "samples"}
    for query in asked:
        assert query["promql"]
        assert query["error"] is None
        assert query["kind"] in {"instant", "range"}
    samples = next(query for query in asked if query["use"] == "samples")
    again = urlencode({"query": samples["promql"], "time": samples["at"]})
    answer = bench.ask(f"/api/v1/query?{again}")
    assert len(answer["data"]["result"]) == samples["series"] > 0


def test_the_promql_nearest_to_a_kpi_gives_what_lies_within_its_bounds(bench: Bench) -> None:
    throughput = read_json(bench, "run01", "queries.json")["kpis"]["throughput"]
    again = urlencode({"query": throughput["promql"]["mean"], "time": throughput["at"]})
    ((_, value),) = [series["value"] for series in bench.ask(f"/api/v1/query?{again}")["data"]["result"]]
    (row,) = (row for row in bench.table("run01", "metrics_summary.csv")
              if (row["kpi"], row["stat"], row["scope"]) == ("throughput", "mean", "session"))  # fmt: skip
    assert float(row["value_lo"]) <= float(value) <= float(row["value_hi"])


def test_a_window_before_all_data_says_so_and_has_no_zero(bench: Bench) -> None:
    status, manifest = bench.window("early"), bench.manifest("early")
    assert status["state"] in {"done", "failed"}
    assert status["reason"]
    assert manifest["status"] == "failed"
    assert manifest["reasons"]
    rows = bench.table("early", "metrics_summary.csv")
    assert {row["kpi"] for row in rows} >= {"throughput", "latency", "cpu_util", "gpu_util"}
    assert {(row["value"], row["status"]) for row in rows} == {("", "no_data")}


def test_the_heartbeat_has_its_shape(bench: Bench) -> None:
    daemon = bench.daemon
    keys = {"phase", "host", "pid", "slurm_job_id", "prometheus", "started_at", "updated_at",
            "allocation_ends_at", "last_error"}  # fmt: skip
    assert keys <= set(daemon)
    assert {"url", "version", "pid"} <= set(daemon["prometheus"])
    assert (daemon["phase"], daemon["slurm_job_id"], daemon["last_error"]) == ("ready", None, None)
    assert daemon["updated_at"].endswith("Z")


def test_the_status_of_a_target_has_its_shape(bench: Bench) -> None:
    status = bench.target("gpus.yaml")
    assert {"state", "errors", "endpoints", "in_force", "updated_at"} <= set(status)
    assert (status["state"], status["errors"]) == ("accepted", [])
    (endpoint,) = status["endpoints"]
    assert {"url", "job", "labels", "health", "last_error", "last_scrape"} <= set(endpoint)
    assert (endpoint["job"], endpoint["health"], endpoint["last_error"]) == ("dcgm", "up", "")
    assert set(endpoint["labels"]) == {"job", "instance", "session", "client", "node"}


def test_the_status_of_a_window_has_its_shape(bench: Bench) -> None:
    status = bench.window("run01")
    assert {"state", "from", "to", "artifacts", "reason", "updated_at"} <= set(status)
    assert (status["state"], status["verdict"], status["slo"]) == ("done", "complete", None)
    assert Path(status["artifacts"]) == bench.session.artifacts / "run01"


def test_a_series_carries_the_labels_of_its_file_and_service(bench: Bench) -> None:
    groups = read_json(bench, "run01", "inputs/targets.json")
    labels = {group["labels"]["job"]: group["labels"] for group in groups}
    own = {"session": "bench", "client": "c1", "run": "bench01"}
    assert own.items() <= labels["node"].items()
    assert {**own, "service": "web", "model": "llama3-8b"}.items() <= labels["web"].items()


def test_the_log_has_one_line_per_thing_that_happened(bench: Bench) -> None:
    lines = bench.log()
    for line in lines:
        assert list(line)[:4] == ["timestamp", "level", "event", "session"]
        assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None
    assert {line["event"] for line in lines} == EVENTS
    for event, least in (("daemon.started", 1), ("prometheus.ready", 1), ("target_file.accepted", 3),
                         ("target_file.withdrawn", 1), ("window.collected", 3)):  # fmt: skip
        assert bench.count(event, least) == least
    assert [line["window"] for line in bench.log("window.opened")] == ["run01", "gpu01"]


def test_nothing_is_written_into_the_drop_folders(bench: Bench) -> None:
    assert {path.name for path in bench.session.targets.iterdir()} == {"c2.yaml", "gpus.yaml"}
    assert {path.name for path in bench.session.windows.iterdir()} == {
        "run01.start", "run01.stop", "gpu01.start", "gpu01.stop", "early.yaml"
    }  # fmt: skip


def test_the_folder_is_its_owners_alone(bench: Bench) -> None:
    assert bench.session.folder.stat().st_mode & 0o777 == 0o700
    clients = (bench.session.targets, bench.session.windows)  # whose files have the modes they gave them
    own = [path for path in bench.session.folder.rglob("*") if path.parent not in clients]
    assert not [path for path in own if path.stat().st_mode & 0o007]
    assert bench.session.password_file.stat().st_mode & 0o777 == 0o600


def test_prometheus_asks_for_the_password(bench: Bench) -> None:
    assert refused(bench, "") == refused(bench, "wrong") == 401
    assert bench.ask("/api/v1/status/buildinfo")["status"] == "success"


def read_json(bench: Bench, window_id: str, name: str) -> Any:
    return json.loads((bench.session.artifacts / window_id / name).read_text())
