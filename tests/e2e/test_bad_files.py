"""Every way in which a file can be wrong is told twice, the same, and disturbs nothing else."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Bench, benches
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

ENDPOINT = "endpoint: http://localhost:8000/metrics"
WRONG = {
    "bad-yaml": "services: [\n",
    "tabs": "services:\n\t- name: a\n",
    "unknown-key": f"servces: [{{name: a, {ENDPOINT}}}]\n",
    "unknown-service-key": f"services: [{{name: a, {ENDPOINT}, lables: {{a: b}}}}]\n",
    "duplicate-key": "client: a\nclient: b\n",
    "wrong-type": "services: 5\n",
    "no-mapping": "- a\n- b\n",
    "scalar": "hello\n",
    "bad-name": f"services: [{{name: a b, {ENDPOINT}}}]\n",
    "bad-client": "client: ../up\nexporters: {node: 9100}\n",
    "missing-endpoint": "services: [{name: a}]\n",
    "reserved-label": f"services: [{{name: a, {ENDPOINT}, labels: {{instance: x}}}}]\n",
    "hidden-label": "exporters: {node: 9100}\nlabels: {__address__: evil}\n",
    "bad-label": "exporters: {node: 9100}\nlabels: {1a: b}\n",
    "bad-duration": "exporters: {node: 9100}\nlease: soon\n",
    "bad-port": "exporters: {node: 99999}\n",
    "port-zero": "exporters: {node: 0}\n",
    "bad-url": "services: [{name: a, endpoint: 'ftp://h/x'}]\n",
    "user-in-url": "services: [{name: a, endpoint: 'http://u:p@h:1/metrics'}]\n",
    "yaml-no": "exporters: {node: 9100}\nlabels: {country: no}\n",
    "yaml-sexagesimal": "exporters: {node: 9100}\nlease: 1:30\n",
    "too-large": "# " + "x" * 70_000 + "\nexporters: {node: 9100}\n",
    "too-many": "exporters: {node: 9100, dcgm: 9400}\nnodes: n[00001-09999]\n",
    "alias": "labels: &a {b: c}\nexporters: {node: 9100}\nservices: [*a]\n",
    "too-deep": "labels: " + "[" * 40 + "]" * 40 + "\n",
    "duplicate-service": f"services: [{{name: a, {ENDPOINT}}}, {{name: a, {ENDPOINT}}}]\n",
    "bad-hostlist": "exporters: {node: 9100}\nnodes: mel[1-\n",
    "bad-version": "version: 2\nexporters: {node: 9100}\n",
    "future-key": "versoin: 1\nexporters: {node: 9100}\n",
    "tagged": "client: !!python/object:os.system x\n",
    "two-documents": "client: a\n---\nclient: b\n",
}
SPECIAL = ("link", "fifo", "folder", "latin1", "huge")


@pytest.fixture(scope="module")
def good() -> Iterator[FakeExporter]:
    with FakeExporter() as running:
        running.expose(counter("http_requests_total", 7.0))
        yield running


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, good: FakeExporter) -> Iterator[Bench]:
    """A daemon with one good file, one that was good before, and all the wrong ones."""
    with benches(tmp_path_factory.mktemp("bad-files")) as found:
        found.run()
        for name in ("good", "was-good"):
            found.drop(f"{name}.yaml", f"services: [{{name: web, endpoint: {good.url}}}]\n")
        found.wait_up("good.yaml", "was-good.yaml")
        found.drop("was-good.yaml", f"services: [{{name: web, endpoint: {good.url}}}\n")
        found.drop("later.yaml", f"client: good\nservices: [{{name: web, endpoint: {good.url}?a=b}}]\n")
        found.drop("good.yaml.tmp", "ignored: [\n")
        found.drop(".hidden.yaml", "ignored: [\n")
        for name, content in WRONG.items():
            found.drop(f"{name}.yaml", content)
        (found.session.targets / "link.yaml").symlink_to("/etc/hostname")
        os.mkfifo(found.session.targets / "fifo.yaml")
        (found.session.targets / "folder.yaml").mkdir()
        with (found.session.targets / "huge.yaml").open("wb") as huge:
            huge.truncate(1 << 30)
        (found.session.targets / "latin1.yaml").write_bytes(b"client: caf\xe9\n")
        names = (*WRONG, *SPECIAL, "was-good", "later")
        wait_until(
            lambda: all(found.target(f"{name}.yaml") for name in names), "all files to be answered", 30
        )
        yield found


@pytest.mark.parametrize("name", [*WRONG, *SPECIAL])
def test_a_wrong_file_is_refused_as_check_says_it_would_be(bench: Bench, name: str) -> None:
    status = bench.target(f"{name}.yaml")
    assert (status["state"], status["in_force"], status["endpoints"]) == ("refused", None, [])
    file = bench.session.targets / f"{name}.yaml"
    ran = bench.monitord("check", file, code=1)
    told = [f"{file}:{e['line']}:{e['column']}: {e['field'] + ': ' if e['field'] else ''}{e['message']}"
            for e in status["errors"]]  # fmt: skip
    assert ran.stdout.splitlines() == told
    assert told
    assert not ran.stderr
    for line in told:
        assert re.fullmatch(rf"{file}:\d+:\d+: .+", line)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("unknown-key", "services"), ("unknown-service-key", "labels"), ("future-key", "version")],
)
def test_a_near_miss_is_told(bench: Bench, name: str, meant: str) -> None:
    (error,) = bench.target(f"{name}.yaml")["errors"]
    assert f"did you mean {meant}" in error["message"]


def test_the_place_of_the_mistake_is_told(bench: Bench) -> None:
    (error,) = bench.target("yaml-no.yaml")["errors"]
    assert (error["line"], error["column"], error["field"]) == (2, 19, "labels.country")


def test_the_others_stay_up(bench: Bench) -> None:
    assert bench.is_up("good.yaml")
    assert bench.daemon["phase"] == "ready"
    assert bench.daemon["last_error"] is None
    active = bench.ask("/api/v1/targets")["data"]["activeTargets"]
    assert {target["labels"]["client"] for target in active} == {"good", "was-good"}
    assert not bench.log("part.failed")


def test_each_refusal_is_logged_once(bench: Bench) -> None:
    logged = [line["file"] for line in bench.log("target_file.refused")]
    assert sorted(logged) == sorted(f"{name}.yaml" for name in (*WRONG, *SPECIAL, "was-good", "later"))


def test_what_is_no_target_file_is_ignored(bench: Bench) -> None:
    assert not bench.target("good.yaml.tmp")
    assert not bench.target(".hidden.yaml")


def test_a_service_that_is_taken_is_refused_in_the_later_file(bench: Bench) -> None:
    status = bench.target("later.yaml")
    assert (status["state"], status["in_force"]) == ("refused", None)
    assert "good.yaml" in status["errors"][0]["message"]


def test_check_accepts_what_is_right(bench: Bench) -> None:
    ran = bench.monitord("check", bench.session.targets / "good.yaml", bench.session.settings_file)
    assert not ran.stdout
    assert "1 endpoints of client good" in ran.stderr


def test_check_knows_markers_recipes_and_settings(bench: Bench) -> None:
    for name, content in (("w.stop", "results: {a: fast}\n"), ("w.start", "at: yesterday\n"),
                          ("session.yaml", "scrape_intervall: 5s\n"),
                          ("r.yaml", "name: r\nkpis: [{name: 5}]\n"),
                          ("p.yaml", "from: 2026-01-01T10:00:00Z\nto: 2026-01-01T09:00:00Z\n")):  # fmt: skip
        file = bench.root / name
        file.write_text(content)
        ran = bench.monitord("check", file, code=1)
        assert re.match(rf"{file}:\d+:\d+: ", ran.stdout)
    assert "cannot be read" in bench.monitord("check", bench.root / "none.yaml", code=1).stdout


def test_a_marker_that_cannot_be_used_fails_its_window_alone(bench: Bench) -> None:
    bench.mark("wrong.start", "lables: {a: b}\n")
    bench.mark("right.start")
    assert bench.wait_window("wrong")["state"] == "failed"
    assert "wrong.start:1:1: lables" in bench.window("wrong")["reason"]
    assert bench.wait_window("right", "open")
    assert bench.count("window.failed", 1) == 1
    assert [line["window"] for line in bench.log("window.failed")] == ["wrong"]
    bench.mark("orphan.stop")
    assert "orphan.start" in bench.wait_window("orphan")["reason"]
    bench.mark("right.cancel")
    assert bench.wait_window("right")["state"] == "cancelled"


def test_the_last_good_version_stays_in_force_also_across_a_restart(bench: Bench, good: FakeExporter) -> None:
    before = bench.target("was-good.yaml")
    assert (before["state"], before["errors"][0]["line"] > 0) == ("refused", True)
    assert before["in_force"]
    (daemon,) = bench.started
    daemon.kill()
    daemon.wait()
    bench.run()
    wait_until(lambda: len(bench.log("target_file.refused")) > 0, "the restart")
    after = bench.target("was-good.yaml")
    assert (after["state"], after["in_force"], after["errors"]) == (
        "refused", before["in_force"], before["errors"]
    )  # fmt: skip
    assert {group["labels"]["client"] for group in file_sd(bench)} == {"good", "was-good"}
    bench.drop("was-good.yaml", f"services: [{{name: better, endpoint: {good.url}}}]\n")
    bench.wait_up("was-good.yaml")
    assert bench.target("was-good.yaml")["endpoints"][0]["job"] == "better"


def file_sd(bench: Bench) -> Iterator[dict[str, dict[str, str]]]:
    for file in bench.session.file_sd.glob("*.json"):
        yield from json.loads(file.read_text())
