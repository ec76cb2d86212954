"""`monitord demo`: it shows what it promises, and leaves nothing running, however it ends."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Bench

pytestmark = pytest.mark.real


def demo_folder(bench: Bench) -> Path | None:
    return next(bench.root.glob("demo-*"), None)


def window_is_open(bench: Bench) -> bool:
    folder = demo_folder(bench)
    return folder is not None and (folder / "status/windows/demo.json").exists()


def test_the_demo_prints_the_kpis_and_where_they_are(bench: Bench) -> None:
    ran = bench.monitord("demo", "--seconds", "6")
    folder = demo_folder(bench)
    assert folder is not None
    assert re.search(r"^window demo: complete, 6\.\d s, 2 targets, coverage 100 %$", ran.stdout, re.MULTILINE)
    header, *lines = ran.stdout.splitlines()[1:]
    assert header.split() == ["KPI", "STAT", "VALUE", "UNIT", "BOUNDS", "COVERAGE", "STATUS"]
    rows = {tuple(line.split()[:2]): line.split() for line in lines if line}
    assert float(rows["throughput", "mean"][2]) == pytest.approx(50, rel=0.05)
    assert 0 < float(rows["cpu_util", "mean"][2]) <= 100
    assert (rows["gpu_util", "mean"][2], "no_data" in rows["gpu_util", "mean"]) == ("%", True)
    assert ran.stdout.splitlines()[-1] == f"artifacts: {folder / 'artifacts/demo'}"
    assert "what the service itself counted: " in ran.stdout
    assert "\x1b" not in ran.stdout + ran.stderr
    bench.wait_alone()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_demo_that_is_ended_early_leaves_nothing_running(
    bench: Bench, number: signal.Signals, code: int
) -> None:
    process = bench.start("demo", "--seconds", "60", stderr=subprocess.DEVNULL)
    wait_until(lambda: window_is_open(bench), "the window to be open", 60)
    assert len(bench.left()) >= 5  # demo, daemon, Prometheus, service, node_exporter
    process.send_signal(number)
    assert process.wait(60) == code
    bench.wait_alone(30)
