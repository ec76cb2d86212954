"""Tiles cut a window exactly, and births are looked for around its start."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.kpis.span import Span


@settings(deadline=None)
@given(
    start=st.floats(1e9, 2e9),
    seconds=st.floats(0.01, 1e6),
    interval=st.floats(0.1, 600),
)
def test_tiles_cut_the_window_without_leaving_it(start: float, seconds: float, interval: float) -> None:
    span = Span("s", start, start + seconds, interval)
    query = span.over_tiles("x")
    assert round((query.end - query.start) / query.step) == span.tiles - 1
    assert query.end == span.end_ms / 1000
    first_ms = round(query.start * 1000) - span.tile_ms
    window_ms = span.end_ms - span.length_ms
    assert window_ms <= first_ms < window_ms + span.tiles  # all of it, but for the rounding
    assert 1 <= span.tiles <= 120
    assert span.tiles == 1 or span.tile_ms >= 4 * interval * 1000 - 1


@given(start=st.integers(10**9, 2 * 10**9), length_ms=st.integers(1, 10**8), interval=st.floats(0.1, 600))
def test_a_birth_is_sought_inside_the_window_but_not_where_rates_reach_back(
    start: int, length_ms: int, interval: float
) -> None:
    span = Span("s", float(start), start + length_ms / 1000, interval)
    match = re.fullmatch(r"\[(\d+)ms] offset (\d+)ms", span.around_start)
    assert match
    length, offset = map(int, match.groups())
    after = span.length_ms - offset  # milliseconds into the window at which the range ends
    assert after <= 1.1 * interval * 1000 + 1
    assert offset >= 1
    assert length - after >= 3 * interval * 1000 - 1 or span.length_ms == 1
