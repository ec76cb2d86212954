"""Targets that ask who is there: credentials by reference, loaded while Prometheus runs, and never told."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Bench
from tests.fakes.exporter import FakeExporter, counter
from tests.versions import build_of

pytestmark = pytest.mark.real

PASSWORD, TOKEN = "hunter2-hunter2", "token-token-token"


@pytest.fixture
def guarded() -> Iterator[tuple[FakeExporter, FakeExporter]]:
    """Two exporters that let in whoever has the password, or the token."""
    with FakeExporter() as basic, FakeExporter() as bearer:
        for exporter in (basic, bearer):
            exporter.expose(counter("http_requests_total", 7.0))
        basic.authorization = f"Basic {base64.b64encode(f'bench:{PASSWORD}'.encode()).decode()}"
        bearer.authorization = f"Bearer {TOKEN}"
        yield basic, bearer


def secret(bench: Bench, name: str, text: str) -> Path:
    path = bench.root / name
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def test_targets_with_credentials_are_scraped_and_no_secret_is_told(
    bench: Bench, exporter: FakeExporter, guarded: tuple[FakeExporter, FakeExporter]
) -> None:
    basic, bearer = guarded
    exporter.expose(counter("http_requests_total", 7.0))
    bench.run()
    bench.drop("plain.yaml", f"services: [{{name: plain, endpoint: {exporter.url}}}]\n")
    bench.wait_up("plain.yaml")
    pid = bench.daemon["prometheus"]["pid"]
    bench.drop(
        "basic.yaml",
        f"""\
services:
  - name: basic
    endpoint: {basic.url}
    basic_auth: {{username: bench, password_file: {secret(bench, "password", PASSWORD)}}}
""",
    )
    bench.drop(
        "bearer.yaml",
        f"""\
bearer_token_file: {secret(bench, "token", TOKEN)}
services: [{{name: bearer, endpoint: {bearer.url}}}]
""",
    )
    bench.wait_up("basic.yaml", "bearer.yaml")
    assert bench.daemon["prometheus"]["pid"] == pid, "it was restarted for that"
    assert bench.count("prometheus.reloaded", 1)
    bench.mark("w1.start")
    bench.wait_window("w1", "open")
    for each in (basic, bearer, exporter):
        wait_until(lambda each=each, before=each.scrapes: each.scrapes > before + 2, "scrapes")  # type: ignore[misc]
    bench.mark("w1.stop")
    bench.wait_window("w1")
    assert {row["service"] for row in bench.table("w1", "coverage.csv")} == {"plain", "basic", "bearer"}
    secrets = (PASSWORD, TOKEN, base64.b64encode(f"bench:{PASSWORD}".encode()).decode())
    for path in bench.session.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [word for word in secrets if word.encode() in content], path
    for arguments in (["status", "-o", "json"], ["why", "basic.yaml"], ["why", "bearer.yaml"]):
        ran = bench.monitord(arguments[0], "-s", "bench", *arguments[1:])
        assert not [word for word in secrets if word in ran.stdout + ran.stderr]
    # The last of its kind: its scrape job goes with it.
    (bench.session.targets / "basic.yaml").unlink()
    config = bench.session.prometheus_config
    wait_until(lambda: "password_file" not in config.read_text(), "its scrape job to go")
    assert "credentials_file" in config.read_text()
    wait_until(lambda before=basic.scrapes: not bench_scrapes(bench, "basic"), "its scrapes to end")  # type: ignore[misc]


def bench_scrapes(bench: Bench, job: str) -> bool:
    """Say whether Prometheus still has a target of a job."""
    targets = bench.ask("/api/v1/targets")["data"]["activeTargets"]
    return any(target["labels"]["job"] == job for target in targets)


@pytest.mark.parametrize("version", ["2.42", "3.5"])  # which send what they read last, and first
def test_a_wrong_secret_is_told_without_it_and_a_right_one_is_taken_by_itself(
    bench: Bench, guarded: tuple[FakeExporter, FakeExporter], version: str
) -> None:
    basic, _ = guarded
    file = secret(bench, "password", "wrong-wrong")
    binary = str(build_of(version).binary)
    bench.run("--prometheus-binary", binary, MONITORD_WATCH_FULL_SCAN_INTERVAL="1s")
    bench.drop(
        "basic.yaml",
        f"""\
basic_auth: {{username: bench, password_file: {file}}}
services: [{{name: basic, endpoint: {basic.url}}}]
""",
    )
    wait_until(lambda: "401" in str(bench.target("basic.yaml").get("endpoints")), "it to be refused", 40)
    assert "wrong-wrong" not in bench.session.target_status("basic.yaml").read_text()
    file.write_text(PASSWORD)
    bench.wait_up("basic.yaml")


def test_a_secret_that_others_can_read_is_not_used(
    bench: Bench, guarded: tuple[FakeExporter, FakeExporter]
) -> None:
    basic, _ = guarded
    file = secret(bench, "password", PASSWORD)
    file.chmod(0o640)
    bench.run()
    bench.drop(
        "basic.yaml",
        f"""\
services:
  - name: basic
    endpoint: {basic.url}
    basic_auth: {{username: bench, password_file: {file}}}
""",
    )
    wait_until(lambda: bench.target("basic.yaml").get("state") == "refused", "the file to be refused")
    (error,) = bench.target("basic.yaml")["errors"]
    assert (error["line"], str(file) in error["message"]) == (4, True)
    assert basic.scrapes == 0
