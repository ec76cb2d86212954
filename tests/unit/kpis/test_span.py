"""Tiles and steps cut a window exactly, and samples are read around it."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.kpis.span import FEWEST_PARTS, MAX_PARTS, SCRAPES_PER_STEP, SCRAPES_PER_TILE, Span, most_parts


@settings(deadline=None)
@given(
    start=st.floats(1e9, 2e9),
    seconds=st.floats(0.01, 1e6),
    interval=st.floats(0.1, 600),
    most=st.integers(1, 120),
)
def test_tiles_and_steps_cut_the_window_without_leaving_it(
    start: float, seconds: float, interval: float, most: int
) -> None:
    span = Span("s", start, start + seconds, interval, most_parts=most)
    whole, *parts = span.edges()
    assert whole == (span.start_ms / 1000, span.end_ms / 1000)
    assert len(parts) == span.tiles + span.steps
    for cut, scrapes in ((parts[: span.tiles], SCRAPES_PER_TILE), (parts[span.tiles :], SCRAPES_PER_STEP)):
        assert 1 <= len(cut) <= most
        assert (cut[0][0], cut[-1][1]) == whole
        assert all(before[1] == after[0] for before, after in pairwise(cut))
        lengths = {round((end - begin) * 1000) for begin, end in cut[1:]}
        assert len(lengths) <= 1
        assert len(cut) == 1 or min(lengths) >= scrapes * interval * 1000 - 1
    assert span.step_ends() == [end for _, end in parts[span.tiles :]]


@given(start=st.floats(1e9, 2e9), seconds=st.floats(0.01, 1e6), interval=st.floats(0.1, 600))
def test_queries_over_time_are_evaluated_at_the_end_of_each_step(
    start: float, seconds: float, interval: float
) -> None:
    span = Span("s", start, start + seconds, interval)
    query = span.over_steps("x")
    times = [query.start + number * query.step for number in range(span.steps)]
    assert times == pytest.approx(span.step_ends(), abs=0.0005)
    assert query.end == span.end_ms / 1000
    assert span.step == f"[{round(query.step * 1000)}ms]"


def test_samples_are_sought_three_intervals_and_the_clocks_difference_around_the_window() -> None:
    span = Span("s", 1000.0, 1100.123, 5.0, skew=0.5)
    assert (span.earliest, span.latest) == (984.5, 1115.623)
    assert (span.around, span.whole) == ("[131123ms]", "[100123ms]")
    assert span.read("m{}") == span.at_latest("m{}[131123ms]")
    assert span.at_end("x").at == 1100.123


def test_a_server_with_left_open_ranges_is_asked_for_one_millisecond_more_at_the_same_times() -> None:
    closed, left_open = (Span("s", 1000.0, 1100.0, 5.0, each) for each in (False, True))
    assert (closed.whole, left_open.whole) == ("[100000ms]", "[100001ms]")
    assert (closed.around, left_open.around) == ("[130000ms]", "[130001ms]")
    assert (closed.step, left_open.step) == ("[20000ms]", "[20001ms]")
    assert closed.over_steps("x") == left_open.over_steps("x")


def test_with_many_targets_there_are_fewer_parts() -> None:
    assert [most_parts(targets) for targets in (0, 30, 60, 10_000)] == [MAX_PARTS, 120, 60, FEWEST_PARTS]
