"""The blocks of a window: another Prometheus that is started on them gives the numbers of the summary."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from monitord.collect.collect import collect
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.prometheus.api.version import Build, has_left_open_ranges
from monitord.prometheus.config.programs import find_promtool
from monitord.recipes.load import load_recipes
from monitord.system.timestamps import from_iso
from monitord.windows.model import Window
from tests.conftest import wait_until
from tests.e2e.conftest import Bench, benches
from tests.fakes.backfill import sample, serving, write_block
from tests.fakes.exporter import FakeExporter, counter
from tests.fakes.small_disk import small_disk

pytestmark = pytest.mark.real


def measure(bench: Bench, exporter: FakeExporter, more: str = "") -> None:
    """Have a window `w` of a counter that grows with each scrape."""

    def serve_until(wanted: int) -> None:
        def is_there() -> bool:
            exporter.expose(counter("http_requests_total", 3.0 * exporter.scrapes), more)
            return exporter.scrapes > wanted

        wait_until(is_there, "scrapes")

    bench.drop("web.yaml", f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
    serve_until(1)
    bench.wait_up("web.yaml")
    bench.mark("w.start")
    bench.wait_window("w", "open")
    serve_until(exporter.scrapes + 8)
    bench.mark("w.stop")
    assert bench.wait_window("w")["state"] == "done"


def request_of(manifest: dict[str, Any], build: Build) -> CollectionRequest:
    window = Window("w", from_iso(manifest["window"]["from"]), from_iso(manifest["window"]["to"]))
    targets = tuple(
        ExpectedTarget(each["url"], each["labels"], each["interval_seconds"]) for each in manifest["targets"]
    )
    left_open = has_left_open_ranges(str(build.version))
    return CollectionRequest("bench", window, targets, 0.5, 0.95, load_recipes(), left_open=left_open)


def blocks_in(bench: Bench) -> list[Path]:
    return sorted((bench.session.artifacts / "w" / "tsdb").iterdir())


def test_a_prometheus_started_on_the_blocks_gives_the_numbers_of_the_summary(
    each_build: Build, tmp_path: Path, exporter: FakeExporter
) -> None:
    data = tmp_path / "data"
    (tmp_path / "old").mkdir()
    old = sample("up", {"job": "web", "session": "bench"}, 1.0, time.time() - 30 * 86400)
    write_block(tmp_path / "old", [old]).rename(data)
    settings: dict[str, Any] = {
        "windows__blocks": True,
        "prometheus__data_dir": str(data),
        "prometheus__retention": "3650d",
    }
    with benches(tmp_path, **settings) as bench:
        bench.run("--prometheus-binary", str(each_build.binary))
        measure(bench, exporter)
        folder, manifest = bench.session.artifacts / "w", bench.manifest("w")
        assert len(blocks_in(bench)) == 1, "the old block is left out"
        listed = {entry["path"] for entry in manifest["files"]}
        assert {f"tsdb/{blocks_in(bench)[0].name}/{name}" for name in ("index", "meta.json")} <= listed
        assert not manifest["warnings"]
        assert not (data / "snapshots").exists()
        bench.monitord("verify", folder)
        with serving(each_build, folder / "tsdb", tmp_path / "served") as client:
            again = collect(request_of(manifest, each_build), client)
        published = bench.table("w", "metrics_summary.csv")
        known = {(row["kpi"], row["stat"], row["scope"]): row["value"] for row in published if row["value"]}
        assert ("throughput", "mean", "session") in known
        assert {
            (row.kpi, row.stat, row.scope): str(row.value) for row in again.rows if row.value is not None
        } == known
        promtool = find_promtool(each_build)
        assert promtool is not None
        analyze = [str(promtool), "tsdb", "analyze", str(folder / "tsdb")]
        assert (
            "http_requests_total"
            in subprocess.run(analyze, check=True, capture_output=True, text=True).stdout
        )
        # A byte that changed is noticed.
        (blocks_in(bench)[0] / "index").write_bytes(b"x" * (blocks_in(bench)[0] / "index").stat().st_size)
        assert "other content" in bench.monitord("verify", folder, code=1).stdout


def test_without_a_password_there_are_no_blocks_and_the_manifest_says_why(
    tmp_path: Path, exporter: FakeExporter
) -> None:
    with benches(tmp_path, windows__blocks=True) as bench:
        bench.run("--no-auth")
        measure(bench, exporter)
        (warning,) = bench.manifest("w")["warnings"]
        assert warning.startswith("blocks of Prometheus's data were not kept: http://127.0.0.1")
        assert "--web.enable-admin-api" in warning
        assert not (bench.session.artifacts / "w" / "tsdb").exists()
        assert bench.manifest("w")["status"] == "complete"
        (told,) = bench.log("prometheus.warned")
        assert "windows.blocks" in told["reason"]


def test_blocks_that_find_no_room_cost_the_window_nothing_else(
    tmp_path: Path, exporter: FakeExporter
) -> None:
    (tmp_path / "data").mkdir()
    many = "".join(f'many_total{{number="{number}"}} 1\n' for number in range(20_000))
    settings: dict[str, Any] = {"windows__samples": False, "prometheus__data_dir": str(tmp_path / "data")}
    with small_disk(tmp_path / "disk", 6144) as disk:
        (disk.folder / "root").mkdir()
        with benches(disk.folder / "root", windows__blocks=True, **settings) as bench:
            bench.run()
            measure(bench, exporter, many)
            assert bench.manifest("w")["warnings"] == [
                "blocks of Prometheus's data were not kept: No space left on device"
            ]
            assert [path.name for path in bench.session.artifacts.iterdir()] == ["w"]
            bench.monitord("verify", bench.session.artifacts / "w")
