"""SLO conditions, from a marker or a recipe to the exit code of a command."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from monitord.system.timestamps import to_iso
from tests.conftest import wait_until
from tests.e2e.conftest import Bench, benches
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

# The command that a window brackets: that it takes time, and some scrapes fall into it, is all it is for.
MEASURED = (sys.executable, "-c", "import time; time.sleep(3)")
RECIPE = """\
name: own
help: What this service says of itself.
kpis:
  - name: answers
    help: Requests answered per second.
    unit: requests/s
    kind: counter
    metric: http_requests_total
    stats: [mean]
slo:
  - answers.mean <= 60 requests/min
"""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A session with a target whose counter stands still, scraped for long enough to look back on."""
    with benches(tmp_path_factory.mktemp("slo")) as found, FakeExporter() as service:
        service.expose(counter("http_requests_total", 7.0))
        found.session.recipes.mkdir()
        (found.session.recipes / "own.yaml").write_text(RECIPE)
        found.run()
        found.drop("c1.yaml", f"client: c1\nservices:\n  - {{name: web, endpoint: '{service.url}'}}\n")
        found.wait_up("c1.yaml")
        up_at = time.time()
        wait_until(lambda: time.time() > up_at + 4, "4 s of data", 30)
        yield found


def outcomes(bench: Bench, window_id: str) -> dict[str, str]:
    """Return what the manifest says of each condition, once the summary has said the same."""
    found: list[dict[str, Any]] = bench.manifest(window_id)["slo"]
    summary = json.loads((bench.session.artifacts / window_id / "metrics_summary.json").read_text())
    assert summary["slo"] == found
    return {result["condition"]: result["status"] for result in found}


def past(bench: Bench, window_id: str, *conditions: str, seconds: float = 3.0, code: int = 0) -> str:
    """Collect the last seconds under conditions; return what was said on standard error."""
    end = time.time()
    given = [word for condition in conditions for word in ("--slo", condition)]
    return bench.monitord(
        "collect", "-s", "bench", "--from-iso", to_iso(end - seconds), "--to-iso", to_iso(end),
        "--run-id", window_id, *given, code=code,
    ).stderr  # fmt: skip


def test_a_window_that_keeps_its_conditions(bench: Bench) -> None:
    said = past(bench, "kept", "throughput.mean >= 0", 'throughput.max{service="web"} < 1 requests/s')
    assert outcomes(bench, "kept") == {
        "throughput.mean >= 0": "met",
        'throughput.max{service="web"} < 1 requests/s': "met",
        "answers.mean <= 60 requests/min": "met",
    }
    assert "slo met: throughput.mean >= 0 (0 requests/s)" in said


def test_collect_ends_with_4_when_a_condition_was_breached(bench: Bench) -> None:
    said = past(bench, "broken", "throughput.mean > 0", "coverage >= 90 %", code=4)
    assert "the window breached throughput.mean > 0 (0 requests/s)" in said
    assert outcomes(bench, "broken")["throughput.mean > 0"] == "breached"
    assert outcomes(bench, "broken")["coverage >= 90 %"] == "met"


def test_the_results_as_test_cases_and_a_breach_in_a_comparison(bench: Bench) -> None:
    for name, least, code in (("junit0", 0, 0), ("junit1", 1, 4)):
        file = bench.root / f"{name}.xml"
        end = time.time()
        bench.monitord(
            "collect", "-s", "bench", "--from-iso", to_iso(end - 3.0), "--to-iso", to_iso(end),
            "--run-id", name, "--slo", f"throughput.mean >= {least}", "--junit", file, code=code,
        )  # fmt: skip
        suite = ET.fromstring(file.read_text())
        assert (suite.get("errors"), suite.get("failures")) == ("0", str(least))
        failed = [case.get("name") for case in suite.findall("testcase") if case.find("failure") is not None]
        assert failed == [f"throughput.mean >= {least}"] * least
    good, bad = (bench.session.artifacts / name for name in ("junit0", "junit1"))
    bench.monitord("compare", bad, good)
    ran = bench.monitord("compare", good, bad, "-o", "junit", code=4)
    assert f"monitord: B breached throughput.mean >= 1 (0 requests/s) in {bad}" in ran.stderr
    assert ET.fromstring(ran.stdout).get("failures") == "1"


def test_a_breach_beats_incomplete_data_and_what_is_undecided_is_incomplete(bench: Bench) -> None:
    past(bench, "both", "coverage >= 0.99", seconds=3600.0, code=4)
    assert bench.manifest("both")["status"] == "partial"
    past(bench, "undecided", "latency.p99 < 250 ms", code=5)
    assert bench.manifest("undecided")["status"] == "complete", bench.manifest("undecided")["reasons"]
    assert outcomes(bench, "undecided")["latency.p99 < 250 ms"] == "unknown"


def test_window_run_ends_with_4_but_for_a_code_of_the_commands_own(bench: Bench) -> None:
    run = ("window", "run", "-s", "bench", "--slo", "throughput.mean > 0", "--id")
    said = bench.monitord(*run, "ran", "--", *MEASURED, code=4).stderr
    assert "the window breached throughput.mean > 0" in said
    bench.monitord(*run, "ran7", "--", "sh", "-c", "exit 7", code=7)
    bench.monitord("window", "run", "-s", "bench", "--id", "ran0", "--", *MEASURED)
    assert outcomes(bench, "ran0") == {"answers.mean <= 60 requests/min": "met"}
    assert "remove --no-wait" in bench.monitord(*run, "w", "--no-wait", "--", "true", code=2).stderr


def test_what_a_client_reports_is_judged_too(bench: Bench) -> None:
    bench.monitord("window", "start", "-s", "bench", "--id", "reported", "--slo", "reported.ttft <= 0.3 s")
    bench.wait_window("reported", "open")
    bench.mark("reported.stop", "results: {ttft: {value: 400, unit: ms}}\nslo: [reported.tpot < 1 s]\n")
    bench.wait_window("reported")
    found = outcomes(bench, "reported")
    assert found["reported.ttft <= 0.3 s"] == "breached"
    assert found["reported.tpot < 1 s"] == "unknown"


def test_a_condition_that_is_none_is_refused_before_anything_is_measured(bench: Bench) -> None:
    for condition, told in (
        ("latncy.p99 < 1 ms", "did you mean latency.p99?"),
        ("latency.p99 < 1 B", "cannot be converted to it"),
        ("latency.p99 1", "expected one of < <= > >="),
    ):
        ran = bench.monitord("window", "run", "-s", "bench", "--id", "none", "--slo", condition, "--",
                             "true", code=1)  # fmt: skip
        assert told in ran.stderr
    assert not list(bench.session.windows.glob("none.*"))


def test_a_marker_with_a_bad_condition_is_refused_as_check_says(bench: Bench) -> None:
    bad = bench.mark("bad.yaml", "from: 1\nto: 2\nslo:\n  - latency.p99 250 ms\n")
    assert bench.wait_window("bad")["state"] == "failed"
    assert "4:5: slo[0]: 'latency.p99 250 ms' is not a condition" in bench.window("bad")["reason"]
    said = bench.monitord("check", bad, code=1).stdout
    assert said.startswith(f"{bad}:4:5: slo[0]: 'latency.p99 250 ms' is not a condition")
    unfit = bench.mark(
        "unfit.yaml", "from: 1\nto: 2\nslo:\n  - answers.mean > 1 requests/s\n  - answer.mean > 1\n"
    )
    said = bench.monitord("check", unfit, code=1).stdout
    assert said == f"{unfit}:5:5: slo[1]: there is no KPI answer; did you mean answers.mean?\n"


def test_check_outside_of_a_session_knows_the_packaged_kpis_alone(bench: Bench) -> None:
    marker = bench.root / "some.start"
    marker.write_text("slo:\n  - mine.mean > 1\n  - latency.p99 < 1 msec\n")
    said = bench.monitord("check", marker, code=1).stdout
    assert said == (
        f"{marker}:3:5: slo[1]: latency.p99 is in ms, and msec cannot be converted to it; did you mean ms?\n"
    )
