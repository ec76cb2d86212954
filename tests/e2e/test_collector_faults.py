"""The process that reads raw samples, killed and stopped in the midst: windows are done, whole or told."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from monitord.session.folder import Session
from tests.conftest import wait_until
from tests.e2e.conftest import Bench
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real


def readers(session: Session) -> list[psutil.Process]:
    """Return the living processes that read raw samples for a session."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if "monitord.artifacts.window_collector" in command and str(session.folder) in command:
            found.append(process)
    return found


@pytest.fixture
def reader(bench: Bench, exporter: FakeExporter) -> psutil.Process:
    """Return the process of a running session that has read for a window, and is stopped."""
    exporter.expose(counter("http_requests_total", 7.0))
    bench.run()
    bench.drop("web.yaml", f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
    bench.wait_up("web.yaml")
    for window_id in ("first", "second"):
        bench.mark(f"{window_id}.start")
        bench.wait_window(window_id, "open")
    bench.mark("first.stop")
    bench.wait_window("first")
    (process,) = readers(bench.session)
    process.suspend()
    bench.mark("second.stop")
    bench.wait_window("second", "collecting")
    wait_until(lambda: list(bench.session.artifacts.glob(".tmp-samples-*")), "the samples to be waited for")
    return process


def test_killed_while_it_reads_it_is_started_again_and_nothing_is_missing(
    bench: Bench, reader: psutil.Process
) -> None:
    reader.kill()
    assert bench.wait_window("second")["state"] == "done"
    assert bench.count("collector.ended", 1)
    assert bench.manifest("second")["warnings"] == []
    assert "recomputed" in whole_result(bench, "second")
    (another,) = readers(bench.session)
    assert another.pid != reader.pid
    assert {path.name for path in bench.session.artifacts.iterdir()} == {"first", "second"}


def test_it_ends_with_a_daemon_that_is_killed_even_when_it_was_stopped(
    bench: Bench, reader: psutil.Process
) -> None:
    os.kill(bench.daemon["pid"], signal.SIGKILL)
    wait_until(lambda: not readers(bench.session), "its end")
    bench.started[-1].wait(10)
    bench.run()
    assert bench.wait_window("second")["state"] == "done"
    assert "recomputed" in whole_result(bench, "second")
    assert {path.name for path in bench.session.artifacts.iterdir()} == {"first", "second"}


def test_pyarrow_is_loaded_by_it_alone(bench: Bench, reader: psutil.Process) -> None:
    reader.resume()
    bench.wait_window("second")
    whole_result(bench, "second")
    loaded = [Path(f"/proc/{pid}/maps").read_text() for pid in (reader.pid, bench.daemon["pid"])]
    assert ["libarrow" in text for text in loaded] == [True, False]


def test_what_it_cost_is_told_and_no_secret_is_in_its_command_or_environment(
    bench: Bench, reader: psutil.Process
) -> None:
    password = bench.session.password_file.read_text().strip()
    seen = (Path(f"/proc/{reader.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    assert all(password.encode() not in text for text in seen)
    reader.resume()
    assert bench.wait_window("second")["state"] == "done"
    assert bench.manifest("second")["own_cost"]["collector"]["cpu_seconds"] is not None


def whole_result(bench: Bench, window_id: str) -> str:
    """Return what `verify` says of a window that has its raw samples."""
    folder = bench.session.artifacts / window_id
    assert (folder / "samples" / "service=web" / "part-0.parquet").is_file()
    return bench.monitord("verify", folder).stderr
