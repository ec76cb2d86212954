"""Snapshots of a real Prometheus's data: kept, put back elsewhere, and what a full disk does to them."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitord.errors import PrometheusError
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.transport import AdminApiDisabledError
from monitord.prometheus.api.version import Build
from monitord.prometheus.child.process import PrometheusProcess
from monitord.prometheus.data.restore import restore
from monitord.prometheus.data.snapshot_store import SnapshotError, complete_snapshots, take_snapshot
from monitord.system.logs import LogFile
from tests.conftest import wait_until
from tests.fakes.guard import unguarded
from tests.fakes.small_disk import small_disk
from tests.integration.prometheus.conftest import Response, Server, exporters, prepared_server

pytestmark = pytest.mark.real

ADMIN = "--web.enable-admin-api"
VERSION = "of the test"


@pytest.fixture
def exported() -> Iterator[str]:
    """Give the URL of an exporter whose counter grows by one at each scrape."""
    counts = itertools.count()

    def respond(_path: str, _accept: str) -> Response:
        return 200, {"Content-Type": "text/plain; version=0.0.4"}, f"scraped_count {next(counts)}\n"

    with exporters(respond) as url:
        yield url


def start(server: Server, *flags: str) -> PrometheusProcess:
    process = PrometheusProcess.start(
        [*server.argv(), *flags], LogFile(server.log, 0o600, max_bytes=2**24, kept=4).write
    )
    server.processes.append(process)
    return process


def ready(server: Server, process: PrometheusProcess) -> PrometheusClient:
    client = server.client(wait_until(process.listening_url, "Prometheus to listen"))
    wait_until(client.ready, "Prometheus to be ready")
    return client


def samples(client: PrometheusClient) -> dict[float, float]:
    """Return all that was stored of the counter: value by time."""
    return dict(itertools.chain(*(series.samples for series in client.query("scraped_count[1h]").series)))


def take(client: PrometheusClient, data: Path, snapshots: Path) -> float:
    taken = take_snapshot(client.snapshot, data, snapshots, time.time(), VERSION, unguarded)
    assert taken is not None
    return taken.span.newest


def test_a_session_goes_on_with_its_history_on_another_node(
    build: Build, tmp_path: Path, exported: str
) -> None:
    snapshots = tmp_path / "snapshots"
    with prepared_server(tmp_path / "first", build) as first:
        first.scrape("honest", exported)
        process = start(first, ADMIN)
        with ready(first, process) as client:
            wait_until(lambda: len(samples(client)) > 3, "a few scrapes")
            before = samples(client)
            newest = take(client, first.folder / "data", snapshots)
            assert not (first.folder / "data" / "snapshots").exists()
        process.kill()
        process.wait(10.0)
    shutil.rmtree(tmp_path / "first")

    with prepared_server(tmp_path / "second", build) as second:
        data = second.folder / "data"
        data.mkdir()
        restored = restore(snapshots, data)
        assert restored is not None
        assert restored.span.newest == newest
        assert restored.span.oldest <= min(before)
        assert max(before) <= newest < time.time()
        second.scrape("honest", exported)
        process = start(second, ADMIN)
        with ready(second, process) as client:
            assert before.items() <= samples(client).items()
            wait_until(lambda: max(samples(client)) > newest + 1, "new samples beside the old")
            assert before.items() <= samples(client).items()
            all_of_it = samples(client)
            assert take(client, data, snapshots) > newest
        process.stop(10.0)
        assert restore(snapshots, data) is None

        again = start(second)
        with ready(second, again) as client:
            assert all_of_it.items() <= samples(client).items()
    assert len(complete_snapshots(snapshots)) == 2


def test_one_that_scraped_nothing_yet_is_not_kept_and_gives_way_to_a_snapshot(
    build: Build, tmp_path: Path, exported: str
) -> None:
    snapshots = tmp_path / "snapshots"
    with prepared_server(tmp_path / "one", build) as server:
        process = start(server, ADMIN)
        with ready(server, process) as client:
            data = server.folder / "data"
            assert take_snapshot(client.snapshot, data, snapshots, time.time(), VERSION, unguarded) is None
            server.scrape("honest", exported)
            wait_until(lambda: samples(client), "a scrape")
            take(client, server.folder / "data", snapshots)
        process.stop(10.0)
    with prepared_server(tmp_path / "two", build) as server:
        process = start(server)
        ready(server, process).close()
        process.stop(10.0)
        assert (server.folder / "data" / "wal").is_dir()
        assert restore(snapshots, server.folder / "data") is not None
        with ready(server, start(server)) as client:
            assert samples(client)


def test_without_the_flag_it_says_so(server: Server) -> None:
    with ready(server, start(server)) as client, pytest.raises(AdminApiDisabledError, match=ADMIN):
        client.snapshot()


def test_with_the_flag_the_password_is_asked_for(server: Server) -> None:
    process = start(server, ADMIN)
    ready(server, process).close()
    url = wait_until(process.listening_url)
    with server.client(url, password="wrong") as client, pytest.raises(PrometheusError, match="HTTP 401"):
        client.snapshot()
    assert not (server.folder / "data" / "snapshots").exists()


def test_a_disk_too_small_for_prometheus_to_write_one_is_left_as_it_was(
    build: Build, tmp_path: Path, exported: str
) -> None:
    snapshots = tmp_path / "snapshots"
    with (
        small_disk(tmp_path / "disk", 64 * 1024) as disk,
        prepared_server(disk.folder / "own", build) as server,
    ):
        server.scrape("honest", exported)
        data = server.folder / "data"
        with ready(server, start(server, ADMIN)) as client:
            wait_until(lambda: samples(client), "a scrape")
            with pytest.raises(PrometheusError, match="no space left on device"):
                take_snapshot(client.snapshot, data, snapshots, time.time(), VERSION, unguarded)
            assert not (data / "snapshots").exists()
            assert not snapshots.exists()
            newest = max(samples(client))
            wait_until(lambda: max(samples(client)) > newest, "scraping to go on")


def test_a_full_session_folder_keeps_its_earlier_snapshot(
    build: Build, tmp_path: Path, exported: str
) -> None:
    with small_disk(tmp_path / "disk", 512) as disk, prepared_server(tmp_path / "own", build) as server:
        snapshots = disk.folder / "snapshots"
        server.scrape("honest", exported)
        data = server.folder / "data"
        with ready(server, start(server, ADMIN)) as client:
            wait_until(lambda: samples(client), "a scrape")
            newest = take(client, data, snapshots)
            disk.fill()
            with pytest.raises(SnapshotError, match="No space left on device"):
                take_snapshot(client.snapshot, data, snapshots, time.time(), VERSION, unguarded)
            (kept,) = complete_snapshots(snapshots)
            assert kept.span.newest == newest
            assert list(snapshots.iterdir()) == [kept.folder]
            assert not (data / "snapshots").exists()

            disk.free()
            wait_until(lambda: max(samples(client)) > newest, "another scrape")
            assert take(client, data, snapshots) > newest
