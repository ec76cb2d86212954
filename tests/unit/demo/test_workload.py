"""The demo's arithmetic: service times, schedule, truth."""

from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.demo.workload import Request, send_time, service_times, truth, workers_for

durations = st.floats(min_value=0.001, max_value=2.0)


def test_the_same_seed_takes_the_same_times() -> None:
    first, second, other = (list(itertools.islice(service_times(s), 50)) for s in (1, 1, 2))
    assert first == second
    assert first != other


def test_service_times_are_around_20_ms_with_a_slow_tail() -> None:
    times = sorted(itertools.islice(service_times(seed=1), 20_000))
    assert statistics.median(times) == pytest.approx(0.020, rel=0.03)
    assert sum(t > 0.1 for t in times) / len(times) == pytest.approx(0.03, rel=0.2)
    assert statistics.median(t for t in times if t > 0.1) == pytest.approx(0.350, rel=0.05)
    assert times[0] >= 0.001
    assert times[-1] <= 2.0


def test_requests_are_due_at_a_constant_rate_without_drift() -> None:
    assert send_time(100.0, 50.0, 0) == 100.0
    assert send_time(100.0, 50.0, 50_000) == 1100.0


@pytest.mark.parametrize(("rate", "workers"), [(1.0, 4), (50.0, 8), (1e6, 256)])
def test_workers_grow_with_the_rate_within_bounds(rate: float, workers: int) -> None:
    assert workers_for(rate) == workers


def test_the_truth_of_a_window_counts_its_end_and_not_its_start() -> None:
    requests = [Request(t, 0.01 * t, 200) for t in (10.0, 11.0, 12.0, 20.0, 20.1)]
    found = truth(requests, 10.0, 20.0)
    assert (found["requests"], found["rate"], found["errors"]) == (3, 0.3, 0)
    assert (found["min"], found["p50"], found["max"]) == (0.11, 0.12, 0.2)


def test_only_answers_from_500_up_are_errors() -> None:
    found = truth([Request(1.0, 0.1, code) for code in (200, 404, 500, 503)], 0.0, 1.0)
    assert (found["requests"], found["errors"]) == (4, 2)


def test_where_nothing_happened_times_are_unknown_and_not_0() -> None:
    found = truth([], 0.0, 10.0)
    assert (found["requests"], found["rate"]) == (0, 0.0)
    assert {found["mean"], found["min"], found["max"], found["p50"], found["p99"]} == {None}


@given(st.lists(durations, min_size=1, max_size=300), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_the_shortest_time_that_so_many_did_not_exceed(
    seconds: list[float], percent: int
) -> None:
    found = truth([Request(1.0, s, 200) for s in seconds], 0.0, 1.0)
    value = {50: found["p50"], 95: found["p95"], 99: found["p99"]}[percent]
    assert value is not None
    assert value in seconds
    assert sum(s <= value for s in seconds) * 100 >= percent * len(seconds)
    assert sum(s < value for s in seconds) * 100 < percent * len(seconds)


@pytest.mark.parametrize("end", [5.0, 4.0, float("nan")])
def test_a_window_without_length_is_refused(end: float) -> None:
    with pytest.raises(ValueError, match="must end after it starts"):
        truth([], 5.0, end)
