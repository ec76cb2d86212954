"""A daemon that is killed in the midst of collecting: one result for each window, whole, and no half one."""

from __future__ import annotations

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Bench, benches
from tests.fakes.exporter import FakeExporter, counter
from tests.fakes.small_disk import small_disk

pytestmark = pytest.mark.real

POINTS = 20 if "MONITORD_TEST_ROUNDS" in os.environ else 4  # `make soak` asks for all
SPREAD_SECONDS = 1.5
"""From a stop marker until its window is surely collected."""


@pytest.mark.timeout(120 + 20 * POINTS)
def test_killed_at_any_point_of_a_collection_there_is_one_whole_result(
    bench: Bench, exporter: FakeExporter
) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    daemon = bench.run()
    bench.drop("web.yaml", f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
    bench.wait_up("web.yaml")
    ids = [f"w{number}" for number in range(POINTS)]
    for number, window_id in enumerate(ids):
        bench.mark(f"{window_id}.start")
        bench.wait_window(window_id, "open")
        bench.mark(f"{window_id}.stop")
        until = time.monotonic() + SPREAD_SECONDS * number / POINTS
        wait_until(lambda until=until: time.monotonic() >= until, "the point to die at")  # type: ignore[misc]
        daemon.kill()
        daemon.wait()
        daemon = bench.run()
    for window_id in ids:
        assert bench.wait_window(window_id)["state"] == "done"
    daemon.terminate()
    assert daemon.wait(40) == 0
    assert {path.name for path in bench.session.artifacts.iterdir()} == set(ids)
    for window_id in ids:
        folder = bench.session.artifacts / window_id
        listed = {entry["path"]: entry["sha256"] for entry in bench.manifest(window_id)["files"]}
        found = {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and path.name != "MANIFEST.json"
        }
        assert found == listed


def test_a_hundred_clients_that_touch_their_markers_at_once_each_get_their_window(
    bench: Bench, exporter: FakeExporter
) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    bench.run()
    bench.drop("web.yaml", f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
    bench.wait_up("web.yaml")
    ids = [f"c{number:02}" for number in range(100)]
    with ThreadPoolExecutor(20) as clients:
        list(clients.map(lambda window_id: bench.mark(f"{window_id}.start"), ids))
        for window_id in ids:
            bench.wait_window(window_id, "open")
        list(clients.map(lambda window_id: bench.mark(f"{window_id}.stop"), ids))
    for window_id in ids:
        assert bench.wait_window(window_id)["state"] == "done"
    assert {path.name for path in bench.session.artifacts.iterdir()} == set(ids)
    assert bench.count("window.collected", 100) == 100


def test_a_window_that_finds_no_room_is_collected_once_there_is_some(
    tmp_path: Path, exporter: FakeExporter
) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    (tmp_path / "data").mkdir()
    with small_disk(tmp_path / "disk", 4096) as disk:
        (disk.folder / "root").mkdir()
        with benches(disk.folder / "root", prometheus__data_dir=str(tmp_path / "data")) as bench:
            bench.run()
            bench.drop("web.yaml", f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
            bench.wait_up("web.yaml")
            bench.mark("w.start")
            bench.wait_window("w", "open")
            disk.fill()
            bench.mark("w.stop")
            scrapes = exporter.scrapes
            wait_until(lambda: exporter.scrapes > scrapes + 12, "time enough for it to be tried")
            assert not [path for path in bench.session.artifacts.iterdir() if path.name == "w"]
            assert bench.window("w")["state"] != "done"
            disk.free()
            assert bench.wait_window("w")["state"] == "done"
            assert {path.name for path in bench.session.artifacts.iterdir()} == {"w"}
