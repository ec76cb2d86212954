"""What would make a number certain enough, in words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from monitord.collect.request import CollectionRequest
from monitord.collect.summary import KpiRow
from monitord.collect.uncertainty import MAX_ADVICE, advice
from monitord.windows.model import Window

REQUEST = CollectionRequest("s", Window("w", 0.0, 100.0), (), 5.0, 0.95, ())


def row(value: float | None, low: float | None, high: float | None, **more: Any) -> KpiRow:
    found: dict[str, Any] = {
        "run_id": "w", "kpi": "k", "stat": "mean", "value": value, "unit": "x/s", "scope": "session",
        "client": "", "service": "", "node": "", "gpu": "", "n": 1, "bucket_lo": None, "bucket_hi": None,
        "coverage": 1.0, "status": "partial", "reason": "edge_uncertain", "value_lo": low, "value_hi": high,
    }  # fmt: skip
    return KpiRow(**(found | more))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            row(10.0, 8.0, 12.0),
            "k.mean lies between 8 and 12 x/s, more than 10% apart: scrape every 1.25 s or measure for 400 s",
        ),
        (
            row(-10.0, -11.0, -9.0, unit=""),
            "k.mean lies between -11 and -9, more than 10% apart: scrape every 2.5 s or measure for 200 s",
        ),
        (
            row(0.0, 0.0, 4.0),
            "k.mean lies between 0 and 4 x/s: what was counted at the window's edges is not known",
        ),
    ],
)
def test_the_interval_or_the_length_that_would_do(found: KpiRow, said: str) -> None:
    assert advice(REQUEST, [found]) == (said,)


@pytest.mark.parametrize(
    "found",
    [
        row(10.0, 8.0, 12.0, reason="wide_bucket"),
        row(10.0, 8.0, math.inf, reason="series_ended"),
        row(10.0, 8.0, 12.0, scope="client"),
        row(10.0, None, None),
        row(10.0, 8.0, 12.0, stat="max"),  # a longer window has more parts, not longer ones
        row(10.0, 9.9, 10.1, reason="", status="ok"),
    ],
)
def test_there_is_none_where_neither_would_help(found: KpiRow) -> None:
    assert advice(REQUEST, [found]) == ()


def test_it_is_not_repeated_for_ever() -> None:
    found = advice(REQUEST, [row(10.0, 8.0, 12.0)] * (MAX_ADVICE + 3))
    assert len(found) == MAX_ADVICE + 1
    assert found[-1] == "3 more values are as uncertain"
