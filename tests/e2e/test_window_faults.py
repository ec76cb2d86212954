"""Windows whose Prometheus dies while it is read, and whose markers are not as they should be."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from monitord.system.timestamps import from_iso
from tests.conftest import wait_until
from tests.e2e.conftest import Bench, benches
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

WEB = "web.yaml"
MANY = 20_000
"""Series enough for a window's raw samples to be read in several large answers."""


@pytest.fixture
def web(exporter: FakeExporter) -> str:
    exporter.expose(counter("http_requests_total", 7.0))
    return f"services: [{{name: web, endpoint: {exporter.url}}}]\n"


def is_reading_samples(bench: Bench) -> bool:
    return any(bench.session.artifacts.glob(".*samples-*/**/*.parquet"))


def is_collecting(bench: Bench) -> bool:
    return bool(bench.window("w1")["state"] == "collecting")


def stop_before_it_is_read(bench: Bench, pid: int) -> None:
    """Have Prometheus answer nothing any more, and the window be collected all the same."""
    os.kill(pid, signal.SIGSTOP)
    bench.mark("w1.stop")
    wait_until(lambda: is_collecting(bench), "the collection")


def stop_amid_the_samples(bench: Bench, pid: int) -> None:
    bench.mark("w1.stop")
    wait_until(lambda: is_reading_samples(bench), "raw samples to be read")
    os.kill(pid, signal.SIGSTOP)


@pytest.mark.parametrize("stopped", [stop_before_it_is_read, stop_amid_the_samples])
def test_a_prometheus_killed_while_it_is_read_costs_no_window(
    bench: Bench, web: str, exporter: FakeExporter, stopped: Callable[[Bench, int], None]
) -> None:
    lines = "".join(f'many_total{{number="{number}"}} 1\n' for number in range(MANY))
    exporter.expose(counter("http_requests_total", 7.0), lines)
    daemon = bench.run(MONITORD_WINDOWS_SETTLE_TIMEOUT="1s", MONITORD_PROMETHEUS_CHECK_INTERVAL="1m")
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    scrapes = exporter.scrapes
    wait_until(lambda: exporter.scrapes > scrapes + 12, "scrapes in the window")
    first = bench.daemon["prometheus"]["pid"]
    stopped(bench, first)
    assert is_collecting(bench)
    assert not (bench.session.artifacts / "w1").exists()
    os.kill(first, signal.SIGKILL)
    assert bench.wait_window("w1")["state"] == "done"
    assert daemon.poll() is None
    assert [line["code"] for line in bench.log("prometheus.exited")] == [-9]
    assert bench.daemon["prometheus"]["pid"] not in (None, first)
    assert bench.count("window.collected", 1) == 1
    assert [path.name for path in bench.session.artifacts.iterdir()] == ["w1"]
    manifest = bench.manifest("w1")
    codes = {reason["code"] for reason in manifest["reasons"]}
    assert manifest["status"] == "complete" or "prometheus_outage" in codes, manifest["reasons"]
    assert bench.scrapes("w1") >= 12
    bench.monitord("verify", bench.session.artifacts / "w1")


def test_a_window_made_again_while_it_is_read_has_nothing_of_the_one_before(
    bench: Bench, web: str, exporter: FakeExporter
) -> None:
    bench.run(MONITORD_WINDOWS_SETTLE_TIMEOUT="1s", MONITORD_PROMETHEUS_CHECK_INTERVAL="1m")
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    pid = bench.daemon["prometheus"]["pid"]
    stop_before_it_is_read(bench, pid)
    for kind in ("start", "stop"):
        (bench.session.windows / f"w1.{kind}").unlink()
    bench.wait_window("w1", "cancelled")
    start = bench.mark("w1.start").stat().st_mtime
    bench.wait_window("w1", "open")
    os.kill(pid, signal.SIGCONT)
    scrapes = exporter.scrapes
    wait_until(lambda: exporter.scrapes > scrapes + 12, "scrapes in the window")
    assert list(bench.session.artifacts.iterdir()) == []
    bench.mark("w1.stop")
    bench.wait_window("w1", "done")
    assert from_iso(bench.manifest("w1")["window"]["from"]) == pytest.approx(start, abs=0.002)
    assert bench.count("window.collected", 1) == 1
    assert [path.name for path in bench.session.artifacts.iterdir()] == ["w1"]


GARBAGE = {
    "binary": (b"\x00\x01\xfe\xff" * 20, "not UTF-8"),
    "yaml": (b"labels: [\n", "not valid YAML"),
    "types": (b"labels: 5\nrecipes: {a: b}\n", "expected keys and values"),
    "keys": (b"lables: {a: b}\n", "did you mean labels?"),
    "moment": (b"at: tomorrow\n", "write ISO 8601"),
    "huge": (b"# " + b"x" * 70_000, "at most 65536 are allowed"),
}
KINDS = {"folder": "is a folder", "fifo": "is a FIFO", "link": "is a symbolic link"}


def make_special(kind: str, marker: Path) -> None:
    match kind:
        case "folder":
            marker.mkdir()
        case "fifo":
            os.mkfifo(marker)
        case _:
            marker.symlink_to("/etc/hostname")


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A session with a target that is up, in which each test has windows of its own."""
    with FakeExporter() as exporter, benches(tmp_path_factory.mktemp("windows")) as bench:
        exporter.expose(counter("http_requests_total", 7.0))
        bench.run()
        bench.drop(WEB, f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
        bench.wait_up(WEB)
        yield bench


def wait_told(bench: Bench, window_id: str, state: str, reason: str) -> None:
    def is_told() -> bool:
        told = bench.window(window_id)
        return told.get("state") == state and reason in told["reason"]

    wait_until(is_told, f"{window_id} to be {state}: {reason}")


def test_whatever_lies_there_as_a_marker_fails_with_what_is_wrong_and_can_be_mended(windows: Bench) -> None:
    for name, (content, _) in GARBAGE.items():
        (windows.session.windows / f"bad-{name}.start").write_bytes(content)
    for name in KINDS:
        make_special(name, windows.session.windows / f"bad-{name}.start")
    expected = {name: phrase for name, (_, phrase) in GARBAGE.items()} | KINDS
    for name, phrase in expected.items():
        wait_told(windows, f"bad-{name}", "failed", phrase)
        assert f"bad-{name}.start" in windows.window(f"bad-{name}")["reason"]
        marker = windows.session.windows / f"bad-{name}.start"
        marker.rmdir() if marker.is_dir() and not marker.is_symlink() else marker.unlink()
        marker.touch()
    for name in expected:
        windows.wait_window(f"bad-{name}", "open")
        windows.mark(f"bad-{name}.cancel")
    for name in expected:
        assert windows.wait_window(f"bad-{name}", "cancelled", "failed")["state"] == "cancelled"


def test_markers_in_the_wrong_order_are_told_what_to_do_and_doing_it_helps(windows: Bench) -> None:
    windows.mark("order.stop")
    wait_told(windows, "order", "failed", "order.stop exists without order.start; touch order.start, and")
    windows.mark("order.start")
    wait_told(windows, "order", "open", "order.stop is older than order.start; touch it again")
    windows.mark("order.stop")
    windows.wait_window("order", "done")


def test_markers_touched_twice_mean_the_later_time(windows: Bench) -> None:
    windows.mark("twice.start")
    windows.wait_window("twice", "open")
    for _ in range(2):
        windows.mark("twice.start")
    start = (windows.session.windows / "twice.start").stat().st_mtime
    # Times are those of the kernel's ticks: at the same one, the window would be nothing.
    stop = windows.session.windows / "twice.stop"
    wait_until(lambda: windows.mark(stop.name).stat().st_mtime > start, "a later tick")
    windows.mark(stop.name)
    end = (windows.session.windows / "twice.stop").stat().st_mtime

    def is_measured() -> bool:
        times = windows.manifest("twice").get("window", {})
        return bool(times) and abs(from_iso(times["to"]) - end) < 0.002

    wait_until(is_measured, "the window up to the second stop")
    assert from_iso(windows.manifest("twice")["window"]["from"]) == pytest.approx(start, abs=0.002)


def test_moments_still_to_come_are_waited_for_until_the_marker_is_written_anew(windows: Bench) -> None:
    ahead = time.time() + 3600
    start, stop = windows.mark("ahead.start"), windows.session.windows / "ahead.stop"
    os.utime(start, (ahead, ahead))
    wait_told(windows, "ahead", "open", "ahead.start gives a time in the future; wait until then, or write")
    start.touch()
    wait_told(windows, "ahead", "open", "")
    stop.write_text(f"at: {ahead}\n")
    wait_told(windows, "ahead", "open", "ahead.stop gives a time in the future; wait until then, or write")
    assert from_iso(windows.window("ahead")["to"]) == pytest.approx(ahead, abs=0.002)
    stop.write_text("labels: {a: b}\n")
    windows.wait_window("ahead", "done")
    assert windows.manifest("ahead")["window"]["labels"] == {"a": "b"}


def test_a_newer_stop_asks_again_and_a_late_cancel_for_nothing(windows: Bench) -> None:
    windows.mark("again.start")
    windows.wait_window("again", "open")
    windows.mark("again.stop")
    windows.wait_window("again", "done")
    first = windows.manifest("again")
    windows.mark("again.stop")
    wait_until(lambda: windows.manifest("again")["window"]["to"] != first["window"]["to"], "another result")
    windows.wait_window("again", "done")
    second = windows.manifest("again")
    windows.mark("again.cancel")
    windows.mark("witness.cancel")  # read in the same look
    windows.wait_window("witness", "cancelled")
    assert windows.window("again")["state"] == "done"
    assert windows.manifest("again") == second
    assert not [path for path in windows.session.artifacts.iterdir() if path.name.startswith(".")]
    windows.monitord("verify", windows.session.artifacts / "again")


def test_a_result_outlives_its_data_and_its_status(bench: Bench, web: str, exporter: FakeExporter) -> None:
    daemon = bench.run()
    bench.drop(WEB, web)
    bench.wait_up(WEB)
    scrapes, start = exporter.scrapes, int(time.time())
    wait_until(lambda: exporter.scrapes > scrapes + 8, "scrapes in the window")
    asked = f"from: {start}\nto: {int(time.time())}\n"
    bench.mark("w.yaml", asked)
    done = bench.wait_window("w")
    before = bench.manifest("w")
    assert before["status"] in ("complete", "partial")
    daemon.terminate()
    assert daemon.wait(40) == 0

    shutil.rmtree(bench.session.data)
    bench.session.window_status("w").unlink()
    (bench.session.targets / WEB).unlink()
    collected = len(bench.log("window.collected"))
    bench.run()
    again = bench.wait_window("w", "done")
    assert {**again, "updated_at": None} == {**done, "updated_at": None}
    assert bench.manifest("w") == before
    assert bench.count("window.collected", collected) == collected

    bench.mark("w.yaml", asked)  # to be collected again, when there is nothing left to collect
    wait_told(bench, "w", "done", "artifacts_kept: collected again at ")
    kept = bench.manifest("w")
    assert {**kept, "markers": None, "kept": None} == {**before, "markers": None, "kept": None}
    assert kept["markers"] == bench.window("w")["markers"] != before["markers"]
    assert bench.window("w")["verdict"] == before["status"]
    bench.monitord("verify", bench.session.artifacts / "w")

    bench.mark("w.yaml", f"from: {start - 60}\nto: {start - 30}\n")  # another window, under the same name
    wait_told(bench, "w", "failed", "artifacts_kept: nothing was scraped in this window, and ")
    assert bench.manifest("w") == kept
    bench.mark("other.yaml", f"from: {start - 60}\nto: {start - 30}\n")
    bench.wait_window("other", "done")
    assert bench.manifest("other")["status"] == "failed"  # with nothing to keep, that is its result


def test_statuses_that_cannot_be_listed_are_none_that_are_lost(
    tmp_path: Path, web: str, exporter: FakeExporter
) -> None:
    if not (strace := shutil.which("strace")):
        pytest.skip("no strace in $PATH: make tools")
    with benches(tmp_path) as bench:
        daemon = bench.run()
        bench.drop(WEB, web)
        bench.wait_up(WEB)
        bench.mark("w.start")
        bench.wait_window("w", "open")
        bench.mark("w.stop")
        bench.wait_window("w", "done")
        daemon.terminate()
        daemon.wait(40)
        before = bench.manifest("w")
        folder = bench.session.window_statuses
        bench.traced = (
            strace, "-f", "-qq", "-o", "/dev/null", "-P", str(folder), "-e", "trace=getdents64",
            "-e", "inject=getdents64:error=EIO:when=1..2",
        )  # fmt: skip
        daemon = bench.run(ready=False)
        daemon.wait(40)
        assert "Input/output error" in (tmp_path / "daemon.out").read_text()
        bench.traced = ()
        bench.run()
        assert bench.window("w")["state"] == "done"
        assert bench.manifest("w") == before
        assert bench.count("window.collected", 1) == 1
