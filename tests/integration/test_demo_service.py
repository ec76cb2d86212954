"""The demo's service as a process of its own: its rate, its metrics, its truth, its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitord.demo.journal import BUCKETS
from tests.conftest import wait_until

RATE = 100.0


@pytest.fixture
def service() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    command = [sys.executable, "-m", "monitord.demo.service", "--rate", str(RATE), "--seed", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            if process.poll() is None:
                process.kill()


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as response:
        content: bytes = response.read()
    return content


def metrics(url: str) -> dict[str, float]:
    families = text_string_to_metric_families(get(f"{url}/metrics").decode())
    return {
        sample.name + sample.labels.get("le", "") + sample.labels.get("code", ""): sample.value
        for family in families
        for sample in family.samples
    }


def truth(url: str, start: float, end: float) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(get(f"{url}/truth?from={start:.6f}&to={end:.6f}"))
    return answer


@pytest.mark.real
def test_the_rate_is_the_one_asked_for_and_metrics_agree_with_the_truth(
    service: tuple[subprocess.Popen[bytes], str],
) -> None:
    _, url = service
    start, before = time.time(), metrics(url)
    wait_until(lambda: time.time() >= start + 3, what="the window is over")
    after, end = metrics(url), time.time()
    known = truth(url, start, end)
    counted = after["http_requests_total200"] - before["http_requests_total200"]
    # What finished between the clock and the scrape next to it is in one of the two only.
    assert counted == pytest.approx(known["requests"], abs=5)
    assert known["rate"] == pytest.approx(RATE, rel=0.05)
    assert 0.015 < known["p50"] < 0.030
    assert known["p99"] > known["p95"] > known["p50"]
    total = "http_server_request_duration_seconds"
    inside = [after[f"{total}_bucket{le}"] - before[f"{total}_bucket{le}"] for le in BUCKETS]
    bucket = next(le for le, count in zip(BUCKETS, inside, strict=True) if count >= counted / 2)
    assert bucket == 0.025


@pytest.mark.real
def test_questions_it_cannot_answer(service: tuple[subprocess.Popen[bytes], str]) -> None:
    _, url = service
    now = time.time()
    for path, status, reason in [
        ("/nothing", 404, "/work, /metrics and /truth"),
        ("/truth", 400, "'from' is missing"),
        ("/truth?from=noon&to=1", 400, "is not a time"),
        (f"/truth?from={now:.3f}&to={now + 60:.3f}", 400, "not over yet"),
        ("/truth?from=5&to=4", 400, "must end after it starts"),
    ]:
        with pytest.raises(HTTPError) as caught:
            get(url + path)
        assert caught.value.code == status
        assert reason in json.loads(caught.value.read())["error"]
        caught.value.close()


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly(service: tuple[subprocess.Popen[bytes], str], number: int) -> None:
    process, url = service
    wait_until(lambda: metrics(url)["http_requests_total200"] > 5, what="it is under load")
    process.send_signal(number)
    rest, complaints = process.communicate(timeout=5)
    assert (process.returncode, rest, complaints) == (0, b"", b"")
