"""`monitord compare` on folders that a real session left."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
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


def copies(bench: Bench, into: Path, window_id: str, count: int) -> str:
    """Return as many repeats of a window, as `compare` takes them."""
    return ",".join(
        str(shutil.copytree(folder(bench, window_id), into / f"{window_id}{n}")) for n in range(count)
    )


def edit(name: Path, change: Callable[[Any], None]) -> None:
    found = json.loads(name.read_bytes())
    change(found)
    name.write_text(json.dumps(found))


def session_row(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the row of the mean throughput."""
    searched = ("throughput", "mean", "session")
    return next(row for row in rows if (row["kpi"], row["stat"], row["scope"]) == searched)


LIMIT = ("--max-regression", "throughput.mean=50 %")


def test_one_run_on_each_side_decides_nothing(bench: Bench) -> None:
    idle, busy = folder(bench, "idle"), folder(bench, "busy")
    ran = bench.monitord("compare", busy, idle, *LIMIT)
    assert ran.stdout.splitlines()[:2] == [f"A: {busy}", f"B: {idle}"]
    mean = next(line for line in ran.stdout.splitlines() if line.startswith("throughput  mean  session "))
    assert "undecided" in mean
    changed = "throughput.mean changed by -100 %, the limit is 50 %"
    needed = "at best 4 repeats on each side would decide"
    assert f"undecided: {changed}: {needed}" in ran.stderr
    assert "nothing was decided" in ran.stderr
    assert "nothing was decided" in ran.stdout
    bench.monitord("compare", busy, idle)


def test_repeats_that_got_better_end_with_0_and_those_that_got_worse_with_4(
    bench: Bench, tmp_path: Path
) -> None:
    idle, busy = (copies(bench, tmp_path, name, 4) for name in ("idle", "busy"))
    ran = bench.monitord("compare", idle, busy, "--max-regression", "throughput.mean=0")
    assert "better" in ran.stdout
    assert not ran.stderr
    ran = bench.monitord("compare", busy, idle, *LIMIT, code=4)
    assert "throughput.mean is worse by 100 %, more than 50 %" in ran.stderr
    assert "nothing was decided" not in ran.stdout
    bench.monitord("compare", busy, idle, "--max-regression", "throughput.mean=100")
    # Three gated rows (mean, min, max): four repeats are too few.
    ran = bench.monitord("compare", busy, idle, "--max-regression", "throughput=50")
    assert "at best 5 repeats on each side would decide" in ran.stderr


def test_every_series_is_compared_with_or_without_a_recipe(bench: Bench, tmp_path: Path) -> None:
    idle, busy = folder(bench, "idle"), folder(bench, "busy")
    ran = bench.monitord("compare", idle, busy, "--all")
    assert "every series: " in ran.stdout
    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("web: http_requests_total"))
    assert " rose from 0 to " in line
    assert line.endswith(" per second, for certain by its bounds")
    groups = [copies(bench, tmp_path, name, 4) for name in ("idle", "busy")]
    ran = bench.monitord("compare", *groups, "--all", "-o", "json")
    series = json.loads(ran.stdout)["series"]
    row = next(row for row in series["changed"] if row["metric"] == "http_requests_total")
    assert (row["number"], row["job"], row["effect"]) == ("rate", "web", 1)
    assert row["a"]["values"] == [0, 0, 0, 0]
    assert row["p"] == pytest.approx(2 / 70)
    ran = bench.monitord("compare", *groups, "--all", "-o", "markdown")
    assert "\n- web: http_requests_total rose from 0 to " in ran.stdout
    ran = bench.monitord("compare", idle, busy, "--all", "-o", "junit", code=2)
    assert "--all has no JUnit form" in ran.stderr
    (tmp_path / "idle0" / "series_summary.parquet").unlink()
    ran = bench.monitord("compare", tmp_path / "idle0", busy, "--all", code=1)
    assert "idle0 has no series_summary.parquet, which --all compares" in ran.stderr


def test_json_and_junit_of_repeats(bench: Bench, tmp_path: Path) -> None:
    groups = [copies(bench, tmp_path, name, 4) for name in ("busy", "idle")]
    parsed = json.loads(bench.monitord("compare", *groups, *LIMIT, "-o", "json", code=4).stdout)
    row = session_row(parsed["rows"])
    assert (row["b"]["median"], row["change_percent"], row["verdict"]) == (0.0, -100.0, "worse")
    assert row["p"] == row["p_adjusted"] == pytest.approx(2 / 70)
    gpu = next(row for row in parsed["rows"] if row["kpi"] == "gpu_util")
    assert (gpu["a"]["median"], gpu["a"]["missing"], gpu["change_percent"]) == (None, 4, None)
    suite = ET.fromstring(bench.monitord("compare", *groups, *LIMIT, "-o", "junit", code=4).stdout)
    assert suite.get("failures") == "1"


def test_bounds_that_overlap_are_no_regression(bench: Bench, tmp_path: Path) -> None:
    groups = [copies(bench, tmp_path, name, 4) for name in ("busy", "idle")]

    def set_upper_bound(high: float | str) -> None:
        for name in groups[1].split(","):
            edit(
                Path(name) / "metrics_summary.json",
                lambda found: session_row(found["rows"]).update(value_lo=0.0, value_hi=high),
            )

    set_upper_bound(0.001)
    bench.monitord("compare", *groups, *LIMIT, code=4)
    set_upper_bound("inf")
    parsed = json.loads(bench.monitord("compare", *groups, *LIMIT, "-o", "json").stdout)
    row = session_row(parsed["rows"])
    assert (row["verdict"], row["bounds_overlap"], row["b"]["hi"]) == ("undecided", True, "inf")
    assert row["note"] == "the bounds overlap"


def test_a_regression_of_partial_values_names_the_reason(bench: Bench, tmp_path: Path) -> None:
    groups = [copies(bench, tmp_path, name, 4) for name in ("busy", "idle")]
    edit(
        Path(groups[1].split(",")[0]) / "metrics_summary.json",
        lambda found: session_row(found["rows"]).update(status="partial", reason="series_born"),
    )
    ran = bench.monitord("compare", *groups, *LIMIT, code=4)
    named = "B is partial: series_born (1 of 4 runs)"
    assert f"throughput.mean is worse by 100 %, more than 50 %; {named}" in ran.stderr
    assert named in ran.stdout


def test_another_number_of_targets_is_refused_unless_forced(bench: Bench, tmp_path: Path) -> None:
    busy, other = folder(bench, "busy"), Path(copies(bench, tmp_path, "busy", 1))
    edit(other / "MANIFEST.json", lambda found: found["targets"].append(found["targets"][0]))
    ran = bench.monitord("compare", busy, other, code=1)
    assert f"the number of targets is 1 in {busy} and 2 in {other}" in ran.stderr
    assert "the number of targets" in bench.monitord("compare", busy, other, "--force").stdout


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
