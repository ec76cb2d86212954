"""One endpoint that two clients register: one target, one count, and a second client that takes over."""

from __future__ import annotations

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import Bench
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real


def test_an_endpoint_of_two_clients_is_scraped_and_counted_once(bench: Bench, exporter: FakeExporter) -> None:
    exporter.expose(counter("http_requests_total", 7.0))
    bench.run()
    text = f"services: [{{name: web, endpoint: {exporter.url}}}]\n"
    first = bench.drop("a.yaml", text)
    bench.wait_up("a.yaml")
    bench.drop("b.yaml", text)
    bench.wait_up("b.yaml")
    assert bench.target("b.yaml")["reason"].startswith(
        f"client a (a.yaml) already has {exporter.url} scraped"
    )
    assert "under the labels of client a (a.yaml)" in bench.monitord("why", "-s", bench.name, "b.yaml").stdout
    bench.mark("both.start")
    bench.wait_window("both", "open")
    seen = exporter.scrapes
    wait_until(lambda: exporter.scrapes >= seen + 4, "some scrapes")
    bench.mark("both.stop")
    first.unlink()  # as a client does that has what it came for
    assert bench.wait_window("both")["state"] == "done"
    assert [row["client"] for row in bench.table("both", "coverage.csv")] == ["a"]
    assert "target_absent" not in [reason["code"] for reason in bench.manifest("both")["reasons"]]

    bench.wait_up("b.yaml")
    assert bench.target("b.yaml")["reason"] == ""
    bench.mark("later.start")
    bench.wait_window("later", "open")
    seen = exporter.scrapes
    wait_until(lambda: exporter.scrapes >= seen + 3, "some scrapes")
    bench.mark("later.stop")
    assert bench.wait_window("later")["state"] == "done"
    rows = {row["client"]: row for row in bench.table("later", "coverage.csv")}
    assert int(rows["b"]["scrapes"]) >= 3
