"""The demo's counts: the metrics and the truth are of the same requests."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitord.demo import journal as journal_module
from monitord.demo.journal import Journal


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


def samples(exposition: bytes) -> dict[str, float]:
    families = text_string_to_metric_families(exposition.decode())
    return {
        f"{sample.name} {' '.join(sample.labels.values())}".strip(): sample.value
        for family in families
        for sample in family.samples
    }


def test_every_series_is_there_before_the_first_request() -> None:
    found = samples(Journal(Clock()).exposition())
    assert found["http_requests_total 200 GET"] == 0
    assert found["http_requests_total 404 GET"] == 0
    assert found["http_server_request_duration_seconds_count"] == 0
    assert set(found.values()) == {0.0}
    assert not [name for name in found if "_created" in name]


def test_metrics_and_truth_agree() -> None:
    clock = Clock()
    journal = Journal(clock)
    for seconds in (0.004, 0.02, 0.02, 0.3):
        clock.seconds += 1
        journal.record(seconds, 200)
    found = samples(journal.exposition())
    assert found["http_requests_total 200 GET"] == 4
    assert found["http_server_request_duration_seconds_bucket 0.005"] == 1
    assert found["http_server_request_duration_seconds_bucket 0.025"] == 3
    assert found["http_server_request_duration_seconds_bucket 0.25"] == 3
    assert found["http_server_request_duration_seconds_bucket +Inf"] == 4
    truth = journal.truth(100.0, 104.0)
    assert (truth["requests"], truth["rate"], truth["max"]) == (4, 1.0, 0.3)
    assert journal.truth(101.0, 103.0)["requests"] == 2


def test_the_truth_of_a_window_that_is_not_over_is_not_known() -> None:
    with pytest.raises(ValueError, match="not over yet"):
        Journal(Clock()).truth(50.0, 100.5)


def test_the_truth_of_a_window_that_is_partly_forgotten_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(journal_module, "KEPT_REQUESTS", 3)
    clock = Clock()
    journal = Journal(clock)
    for _ in range(4):
        clock.seconds += 1
        journal.record(0.01, 200)
    with pytest.raises(ValueError, match="only the last 3 requests are kept"):
        journal.truth(100.0, 104.0)
    assert journal.truth(102.0, 104.0)["requests"] == 2
