"""Outages: when they begin and end, and which windows they touched."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from monitord.prometheus.child.outages import KEPT, Outage, Outages, outages_json, restore
from monitord.system.timestamps import to_iso


def test_one_lasts_from_when_all_was_last_well_until_it_is_again() -> None:
    outages = Outages().well(10.0).well(15.0).unwell("prometheus_exited").unwell("data_unwritable").well(21.0)
    assert outages.past == (Outage(15.0, 21.0, "prometheus_exited"),)
    assert (outages.current, outages.last_well) == (None, 21.0)


def test_before_all_was_well_once_there_is_none() -> None:
    assert Outages().unwell("prometheus_exited") == Outages()


def test_a_window_is_touched_by_what_lies_in_it_and_by_what_still_lasts() -> None:
    outages = Outages().well(10.0).unwell("a").well(20.0).well(30.0).unwell("b")
    a, b = Outage(10.0, 20.0, "a"), Outage(30.0, None, "b")
    assert outages.touching(0.0, 10.0) == ()
    assert outages.touching(0.0, 10.1) == (a,)
    assert outages.touching(12.0, 13.0) == (a,)
    assert outages.touching(20.0, 30.0) == ()
    assert outages.touching(19.0, 31.0) == (a, b)
    assert outages.touching(100.0, 200.0) == (b,)


def test_only_the_latest_are_kept() -> None:
    outages = Outages().well(0.0)
    for number in range(KEPT + 5):
        outages = outages.unwell("x").well(number + 1.0)
    assert len(outages.past) == KEPT
    assert outages.past[-1] == Outage(KEPT + 4.0, KEPT + 5.0, "x")


def test_the_time_without_a_daemon_is_an_outage() -> None:
    published = json.loads(json.dumps(outages_json(Outages().well(10.0).unwell("a").well(20.0))))
    outages = restore(published, to_iso(50.0))
    assert outages.past == (Outage(10.0, 20.0, "a"),)
    assert outages.current == Outage(50.0, None, "daemon_not_running")


def test_what_lasted_when_the_daemon_ended_goes_on() -> None:
    published = outages_json(Outages().well(10.0).unwell("data_unwritable"))
    assert restore(published, to_iso(10.0)).current == Outage(10.0, None, "data_unwritable")


def test_a_session_that_never_ran_or_a_file_that_is_not_ours_gives_none() -> None:
    assert restore(None, None) == Outages()
    assert restore({"outages": [{"from": "x"}, 7, None]}, None) == Outages()
    assert restore([], None) == Outages()


@given(st.lists(st.tuples(st.sampled_from(["well", "unwell"]), st.floats(0.001, 1000.0)), max_size=50))
def test_outages_never_overlap_and_end_in_order(history: list[tuple[str, float]]) -> None:
    outages, now = Outages(), 0.0
    for what, pause in history:
        now += pause
        outages = outages.well(now) if what == "well" else outages.unwell("x")
    edges = [edge for outage in outages.past for edge in (outage.start, outage.end)]
    assert edges == sorted(edge for edge in edges if edge is not None)
    assert outages.current is None or outages.current.start == outages.last_well
