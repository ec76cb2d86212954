"""Blocks of data, and when they are copied away."""

from __future__ import annotations

import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.prometheus.data.blocks import SnapshotPlan, Span, is_block, snapshot_plan, span_of

Setting = Literal["auto", "never", "end", "windows"]
TIMES = st.integers(0, 2**42)


@pytest.mark.parametrize(
    ("setting", "data_in_session", "when"),
    [
        ("auto", False, (True, False)), ("auto", True, (False, False)), ("never", False, (False, False)),
        ("end", True, (True, False)), ("end", False, (True, False)),
        ("windows", True, (True, True)), ("windows", False, (True, True)),
    ],
)  # fmt: skip
def test_when_snapshots_are_taken(setting: Setting, data_in_session: bool, when: tuple[bool, bool]) -> None:
    plan = snapshot_plan(setting, data_in_session=data_in_session, auth=True)
    assert (plan.at_end, plan.after_windows, plan.warning) == (*when, None)
    assert plan.wanted == any(when)
    open_to_all = snapshot_plan(setting, data_in_session=data_in_session, auth=False)
    assert not open_to_all.wanted
    assert (open_to_all.warning is not None) == any(when)


def test_blocks_of_windows_need_the_admin_api_and_a_password_and_are_no_copies() -> None:
    plan = snapshot_plan("never", data_in_session=True, auth=True, of_windows=True)
    assert plan == SnapshotPlan(of_windows=True)
    assert plan.wanted
    open_to_all = snapshot_plan("never", data_in_session=True, auth=False, of_windows=True)
    assert not open_to_all.wanted
    assert "windows.blocks" in (open_to_all.warning or "")


@given(st.lists(st.tuples(TIMES, st.integers(1, 2**30)), min_size=1))
def test_the_span_holds_every_block(blocks: list[tuple[int, int]]) -> None:
    metas = [json.dumps({"minTime": start, "maxTime": start + length}).encode() for start, length in blocks]
    assert span_of(metas) == Span(
        min(start for start, _ in blocks) / 1000, max(start + length - 1 for start, length in blocks) / 1000
    )


@pytest.mark.parametrize(
    "metas", [[], [b""], [b"[]"], [b"{}"], [b'{"minTime": 1, "maxTime": "2"}'], [b"\xff"]]
)
def test_what_names_no_times_is_an_error(metas: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"no block|no times|decode|Expecting value"):
        span_of(metas)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("01M86F82PG3361JH6SAJSEDSWT", True), ("01M86F82PG3361JH6SAJSEDSW", False), ("wal", False),
        ("01M86F82PG3361JH6SAJSEDSWT.tmp-for-creation", False), ("01m86f82pg3361jh6sajsedswt", False),
        ("ZZM86F82PG3361JH6SAJSEDSWT", False), ("01M86F82PG3361JH6SAJSEDSWU", False),
    ],
)  # fmt: skip
def test_the_names_of_blocks(name: str, expected: bool) -> None:
    assert is_block(name) is expected
