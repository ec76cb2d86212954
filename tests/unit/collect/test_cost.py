"""What monitoring cost: CPU over runs of a process, memory at its peak, unknown where nobody looked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitord.collect.cost import Moment, Usage, own_cost


def moment(at: float, cpu: float | None, resident: int = 100, run: int = 1) -> Moment:
    return Moment(at, None, None if cpu is None else Usage((7, run), cpu, resident))


def test_cpu_between_moments_is_taken_to_be_used_evenly() -> None:
    moments = [moment(0.0, 1.0), moment(10.0, 2.0), moment(20.0, 4.0)]
    assert own_cost(moments, 0.0, 20.0)["prometheus"]["cpu_seconds"] == 3.0
    assert own_cost(moments, 5.0, 15.0)["prometheus"]["cpu_seconds"] == 1.5
    assert own_cost(moments, 10.0, 10.0)["prometheus"]["cpu_seconds"] == 0.0


def test_a_restart_loses_nothing_that_was_seen() -> None:
    moments = [moment(0.0, 5.0), moment(10.0, 6.0), moment(20.0, None), moment(30.0, 0.5, run=2)]
    assert own_cost(moments, 0.0, 30.0)["prometheus"]["cpu_seconds"] == 1.5


def test_the_peak_is_the_most_that_was_seen_in_the_window() -> None:
    moments = [moment(0.0, 0.0, 900), moment(10.0, 0.0, 300), moment(20.0, 0.0, 500), moment(30.0, 0.0, 900)]
    assert own_cost(moments, 10.0, 20.0)["prometheus"]["peak_resident_bytes"] == 500
    assert own_cost(moments, 12.0, 13.0)["prometheus"]["peak_resident_bytes"] == 500
    assert own_cost(moments, 15.0, 25.0)["prometheus"]["peak_resident_bytes"] == 900


def test_what_nobody_saw_is_unknown() -> None:
    unknown = {"cpu_seconds": None, "peak_resident_bytes": None}
    assert own_cost([], 0.0, 1.0) == {"daemon": unknown, "prometheus": unknown, "collector": unknown}
    moments = [moment(10.0, 1.0), moment(20.0, 2.0)]
    assert own_cost(moments, 5.0, 15.0)["prometheus"]["cpu_seconds"] is None
    assert own_cost(moments, 15.0, 25.0)["prometheus"]["cpu_seconds"] is None
    assert own_cost(moments, 0.0, 5.0)["prometheus"] == unknown


USAGES = st.lists(st.tuples(st.floats(0.1, 10), st.floats(0, 5), st.integers(1, 2)), min_size=2, max_size=20)


@given(USAGES, st.floats(0, 1), st.floats(0, 1))
def test_parts_of_a_window_cost_what_the_whole_does(
    steps: list[tuple[float, float, int]], first: float, second: float
) -> None:
    moments, at, cpu, last = [], 0.0, 0.0, 1
    for pause, used, run in steps:
        at += pause
        cpu = used if run != last else cpu + used
        last = run
        moments.append(moment(at, cpu, run=run))
    start, end = moments[0].at, moments[-1].at
    cut = min(start + (end - start) * first, end)  # rounding can put it past the end
    whole, left, right = (
        own_cost(moments, low, high)["prometheus"]["cpu_seconds"]
        for low, high in ((start, end), (start, cut), (cut, end))
    )
    assert whole >= 0
    assert abs(whole - left - right) <= 0.0021  # each is rounded to a millisecond
