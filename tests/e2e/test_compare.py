"""`monitord compare` on folders that a real session left."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from monitord.recipes.load import packaged_folder
from monitord.system.timestamps import to_iso
from tests.conftest import wait_until
from tests.e2e.conftest import Bench, benches
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

SECONDS = 3.0


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Windows `idle` and `busy` of a service that was at first asked nothing, and `other`, the busy one by
    another recipe; the daemon is gone, which nothing of this needs."""
    with benches(tmp_path_factory.mktemp("compare")) as found, FakeExporter() as service:
        service.expose(counter("http_requests_total", 7.0))
        daemon = found.run()
        found.drop("c1.yaml", f"client: c1\nservices:\n  - {{name: web, endpoint: '{service.url}'}}\n")
        found.wait_up("c1.yaml")
        collect(found, "idle", pause())
        service.expose(counter("http_requests_total", 1007.0))
        busy = pause(SECONDS / 2)
        collect(found, "busy", busy)
        found.session.recipes.mkdir()
        packaged = (packaged_folder() / "http.yaml").read_text()
        own = packaged.replace(
            "    metric: http_requests_total\n", '    metric: http_requests_total\n    match: absent=""\n'
        )
        (found.session.recipes / "http.yaml").write_text(own)
        collect(found, "other", busy)
        daemon.terminate()
        daemon.wait(40)
        yield found


def pause(seconds: float = SECONDS + 1) -> float:
    """Let scrapes go by; return the time."""
    began = time.time()
    wait_until(lambda: time.time() > began + seconds, "scrapes", 30)
    return time.time()


def collect(bench: Bench, window_id: str, end: float) -> None:
    bench.monitord("collect", "-s", "bench", "--from-iso", to_iso(end - SECONDS), "--to-iso", to_iso(end),
                   "--run-id", window_id)  # fmt: skip


def folder(bench: Bench, window_id: str) -> Path:
    return bench.session.artifacts / window_id


def test_what_got_better_ends_with_0_and_what_got_worse_with_4(bench: Bench) -> None:
    idle, busy = folder(bench, "idle"), folder(bench, "busy")
    ran = bench.monitord("compare", idle, busy, "--max-regression", "throughput=0")
    assert ran.stdout.splitlines()[:2] == [f"A: {idle}", f"B: {busy}"]
    mean = next(line for line in ran.stdout.splitlines() if line.startswith("throughput  mean  session "))
    assert mean.endswith("better")
    ran = bench.monitord("compare", busy, idle, "--max-regression", "throughput.mean=50 %", code=4)
    assert "throughput.mean is worse by 100 %, more than 50 %" in ran.stderr
    bench.monitord("compare", busy, idle)
    bench.monitord("compare", busy, idle, "--max-regression", "throughput.mean=100")


def test_json_and_junit_of_repeats(bench: Bench, tmp_path: Path) -> None:
    copies = [
        shutil.copytree(folder(bench, name), tmp_path / f"{name}{n}")
        for name in ("busy", "idle")
        for n in "123"
    ]
    groups = [",".join(map(str, copies[:3])), ",".join(map(str, copies[3:]))]
    limit = ("--max-regression", "throughput.mean=5")
    told = json.loads(bench.monitord("compare", *groups, *limit, "-o", "json", code=4).stdout)
    row = next(
        row
        for row in told["rows"]
        if (row["kpi"], row["stat"], row["scope"]) == ("throughput", "mean", "session")
    )
    assert (row["b"]["median"], row["change_percent"], row["verdict"]) == (0.0, -100.0, "worse")
    assert row["p"] == pytest.approx(0.1)
    gpu = next(row for row in told["rows"] if row["kpi"] == "gpu_util")
    assert (gpu["a"]["median"], gpu["a"]["missing"], gpu["change_percent"]) == (None, 3, None)
    suite = ET.fromstring(bench.monitord("compare", *groups, *limit, "-o", "junit", code=4).stdout)
    assert suite.get("failures") == "1"


def test_another_definition_is_refused_unless_forced(bench: Bench) -> None:
    busy, other = folder(bench, "busy"), folder(bench, "other")
    ran = bench.monitord("compare", busy, other, code=1)
    assert f"throughput is defined differently in {other} and {busy}: match" in ran.stderr
    assert not ran.stdout
    forced = bench.monitord("compare", busy, other, "--force", "-o", "markdown").stdout
    assert "not comparable, but forced: throughput is defined differently" in forced


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("idle", "nowhere"), 1, "is not a window's artifact folder"),
        (("idle,idle", "busy"), 1, "names a folder twice"),
        ((",", "busy"), 1, "names 0 folders"),
        (("idle", "busy", "--max-regression", "latncy=5"), 1, "there is no KPI latncy"),
        (("idle", "busy", "--max-regression", "latency=5"), 1, "latency has no value on one side"),
        (("idle", "busy", "--max-regression", "cpu_util=5"), 1, "use --better"),
        (("idle", "busy", "--max-regression", "throughput"), 2, "is not KPI=PERCENT"),
        (("idle", "busy", "--max-regression", "throughput=nan"), 2, "0 or more percent"),
        (("idle", "busy", "--better", "throughput=up"), 2, "KPI=lower or KPI=higher"),
    ],
)
def test_what_cannot_be_compared_is_told(
    bench: Bench, arguments: tuple[str, ...], code: int, told: str
) -> None:
    names = [
        ",".join(str(folder(bench, name)) if name else "" for name in names.split(","))
        for names in arguments[:2]
    ]
    assert told in bench.monitord("compare", *names, *arguments[2:], code=code).stderr
