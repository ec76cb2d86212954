"""The fake exporter is what the other tests stand on."""

from __future__ import annotations

import http.client
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import wait_until
from tests.fakes.exporter import Behaviour, FakeExporter, counter, gauge, histogram


def scrape(exporter: FakeExporter, path: str = "/metrics") -> tuple[int, str, str]:
    """Return status, body and Location."""
    connection = http.client.HTTPConnection(exporter.address, timeout=5)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers.get("Location", "")
    finally:
        connection.close()


def has_scrapes(exporter: FakeExporter, count: int) -> bool:
    return exporter.scrapes == count


def test_serves_what_the_test_says_and_counts(exporter: FakeExporter) -> None:
    exporter.expose(counter("a_total", 5, {"k": "v"}), gauge("b", 0.5))
    assert exporter.scrapes == 0
    status, text, _ = scrape(exporter, "/metrics?x=1")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["a"].samples[0].value == 5
    assert families["a"].samples[0].labels == {"k": "v"}
    assert families["b"].type == "gauge"
    assert (exporter.scrapes, exporter.paths) == (1, ["/metrics?x=1"])


def test_a_histogram_counts_each_observation_in_its_bucket() -> None:
    text = histogram("h_seconds", [0.1, 0.10001, 0.2, 5.0], bounds=[0.1, 0.2], labels={"c": "x"})
    [family] = text_string_to_metric_families(text)
    buckets = {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}
    assert buckets == {"0.1": 1, "0.2": 3, "+Inf": 4}
    values = {s.name: s.value for s in family.samples if "le" not in s.labels}
    assert values == {"h_seconds_sum": pytest.approx(5.40001), "h_seconds_count": 4}


def test_fails_redirects_and_talks_nonsense(exporter: FakeExporter) -> None:
    exporter.behaviour = Behaviour.FAIL
    assert scrape(exporter)[0] == 500
    exporter.behaviour, exporter.location = Behaviour.REDIRECT, "http://127.0.0.1:1/x"
    assert scrape(exporter)[::2] == (302, "http://127.0.0.1:1/x")
    exporter.behaviour = Behaviour.GARBAGE
    with pytest.raises(ValueError, match="not metrics"):
        list(text_string_to_metric_families(scrape(exporter)[1]))
    assert exporter.scrapes == 3


def test_hangs_until_it_is_released_and_again(exporter: FakeExporter) -> None:
    exporter.behaviour, exporter.text = Behaviour.HANG, "late 1\n"
    for scrapes in (1, 2):
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(scrape, exporter)
            wait_until(partial(has_scrapes, exporter, scrapes), what="the scrape has arrived")
            assert not answer.done()
            exporter.release()
            assert answer.result(5) == (200, "late 1\n", "")


def test_ends_while_a_scrape_hangs() -> None:
    with FakeExporter() as exporter:
        exporter.behaviour = Behaviour.HANG
        thread = threading.Thread(target=scrape, args=(exporter,))
        thread.start()
        wait_until(lambda: exporter.scrapes == 1)
    thread.join(5)
    assert not thread.is_alive()


def test_waiting_returns_the_value_or_says_what_for() -> None:
    assert wait_until(lambda: "value") == "value"
    with pytest.raises(AssertionError, match=r"after 0\.05 s still not so: pigs fly"):
        wait_until(lambda: None, timeout=0.05, what="pigs fly")
