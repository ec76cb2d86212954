"""Coverage: what was scraped, measured against what must have been."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.collect.coverage import (
    TargetCoverage,
    count_due_scrapes,
    cover_target,
    overall,
    with_unseen,
    worst,
)
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.windows.model import Window

LABELS = {"job": "triton", "instance": "n1:1", "client": "c1", "node": "n1"}


REQUEST = CollectionRequest("s", Window("w", 100.0, 200.0), (), 10.0, 0.95, ())


def cover(samples: dict[float, float], *, declared: bool = True, interval: float = 5.0) -> TargetCoverage:
    outcomes = [(time, value == 1.0) for time, value in samples.items()]
    return cover_target(REQUEST, LABELS, outcomes, interval if declared else None)


def test_a_target_that_was_up_all_along() -> None:
    target = cover({float(t): 1.0 for t in range(95, 206, 5)})
    # The scrape at 100 is before the window, that at 200 still in it; being due at an edge, it may
    # as well have come too late, so it is not demanded.
    assert (target.expected_scrapes, target.scrapes, target.successes) == (19, 20, 20)
    assert (target.first_seen, target.last_seen) == (105, 200)
    assert (target.up_ratio, target.ratio, target.longest_gap_s) == (1, 1, 5)
    assert (target.not_made, target.failed) == (0, 0)


def test_a_target_that_failed_half_of_the_time() -> None:
    target = cover({t + 2.0: float(t < 150) for t in range(100, 200, 5)})
    assert (target.expected_scrapes, target.scrapes, target.successes) == (20, 20, 10)
    assert (target.up_ratio, target.ratio) == (0.5, 0.5)
    assert target.longest_gap_s == 200 - 147
    assert (target.not_made, target.failed) == (0, 10)


def test_a_target_that_was_never_scraped_has_no_up_ratio() -> None:
    target = cover({})
    assert (target.expected_scrapes, target.scrapes, target.ratio) == (20, 0, 0)
    assert (target.up_ratio, target.first_seen, target.last_seen) == (None, None, None)
    assert target.longest_gap_s == 100


def test_a_target_seen_but_not_declared_is_judged_by_the_sessions_interval() -> None:
    target = cover({t + 3.0: 1.0 for t in range(100, 200, 10)}, declared=False)
    assert (target.declared, target.expected_scrapes, target.ratio) == (False, 10, 1)


def test_a_target_that_was_withdrawn_is_expected_for_as_long_as_it_was_scraped() -> None:
    target = cover({103.0: 1.0, 113.0: 0.0, 123.0: 1.0}, declared=False)
    assert (target.expected_scrapes, target.scrapes, target.ratio) == (3, 3, 2 / 3)


def test_failures_while_a_target_is_leaving_are_none() -> None:
    """Its server ended with the registration, and Prometheus learns of that seconds later."""
    target = cover({103.0: 1.0, 113.0: 1.0, 123.0: 0.0}, declared=False)
    assert (target.expected_scrapes, target.scrapes, target.ratio) == (2, 2, 1.0)


def test_one_that_failed_for_longer_before_it_was_withdrawn_did_fail() -> None:
    target = cover({103.0: 1.0, 113.0: 0.0, 123.0: 0.0}, declared=False)
    assert (target.expected_scrapes, target.scrapes, target.ratio) == (3, 3, 1 / 3)


def test_scrapes_that_were_not_made_are_told_from_those_that_failed() -> None:
    target = cover({t + 2.0: float(t != 120) for t in range(100, 200, 5) if not 130 <= t < 150})
    assert (target.expected_scrapes, target.scrapes, target.not_made, target.failed) == (20, 16, 4, 1)


def test_a_declared_target_that_was_never_seen_is_covered_as_well() -> None:
    other = {**LABELS, "instance": "n0:1"}
    declared = tuple(ExpectedTarget("http://n1:1/metrics", labels, 5.0) for labels in (LABELS, other))
    request = replace(REQUEST, targets=declared)
    unseen, seen = with_unseen(request, [cover({102.0: 1.0})])
    assert (unseen.instance, unseen.expected_scrapes, unseen.scrapes, unseen.node) == ("n0:1", 20, 0, "n1")
    assert seen == cover({102.0: 1.0})


def test_overall_and_worst() -> None:
    good, bad = cover({t + 2.0: 1.0 for t in range(100, 200, 5)}), cover({})
    assert overall([good, bad]) == 0.5
    assert worst([good, bad]) == 0
    more = cover({t + 0.1: 1.0 for t in range(100, 200, 5)})  # one at each edge, so 19 are demanded
    assert (more.expected_scrapes, more.successes) == (19, 20)
    assert overall([more, bad]) == 19 / 39
    assert overall([]) is None
    assert worst([]) is None
    too_short = cover({}, interval=300.0)
    assert (too_short.expected_scrapes, too_short.ratio, overall([too_short])) == (0, None, None)


@settings(deadline=None)
@given(
    start=st.floats(0, 1e6),
    interval=st.floats(0.5, 60),
    intervals=st.floats(0.1, 200),
    phase=st.floats(0, 1),
    jitter=st.lists(st.floats(-0.02, 0.02), min_size=203, max_size=203),
)
def test_no_more_is_expected_than_a_faultless_target_delivers(
    start: float, interval: float, intervals: float, phase: float, jitter: list[float]
) -> None:
    end = start + intervals * interval
    due = [start + (phase + k + jitter[k + 1]) * interval for k in range(-1, 202)]
    inside = [time for time in due if start < time <= end]
    expected = count_due_scrapes(start, end, interval, inside)
    # One is demanded of every window as long as an interval (in ms), be it at its very edges.
    holds_one = round(end * 1000) - round(start * 1000) >= round(interval * 1000)
    assert expected <= max(len(inside), holds_one)
    assert expected >= len(inside) - 2


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, 0), (0.999, 0), (1.0, 1), (60.0, 60), (59.999, 59)])
def test_whole_intervals_count_without_any_scrape(seconds: float, expected: int) -> None:
    assert count_due_scrapes(1e9, 1e9 + seconds, 1.0, []) == expected
    assert count_due_scrapes(1e9, 1e9 + seconds / 10, 0.1, []) in {expected, round(seconds)}
