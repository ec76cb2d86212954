"""The bounds of extremes, where not every part of the window certainly has a value."""

from __future__ import annotations

import numpy as np
import pytest

from monitord.kpis.readings.counter import extreme_bounds

LOW, HIGH = np.array([1.0, 3.0, 0.5]), np.array([2.0, 4.0, 9.0])


@pytest.mark.parametrize(
    ("stat", "certain", "bounds"),
    [
        ("min", [True, True, True], (0.5, 2.0)),
        ("max", [True, True, True], (3.0, 9.0)),
        # The last part may have no value, or one between 0.5 and 9.
        ("min", [True, True, False], (0.5, 2.0)),
        ("max", [True, True, False], (3.0, 9.0)),
        ("min", [False, True, False], (0.5, 4.0)),
        ("max", [False, False, True], (0.5, 9.0)),
        ("min", [False, False, False], (0.5, 9.0)),
    ],
)
def test_an_extreme_is_bounded_on_one_side_by_what_certainly_exists(
    stat: str, certain: list[bool], bounds: tuple[float, float]
) -> None:
    assert extreme_bounds(stat, LOW, HIGH, np.array(certain)) == bounds


def test_without_any_part_there_are_no_bounds() -> None:
    nothing = np.array([])
    assert extreme_bounds("min", nothing, nothing, nothing.astype(np.bool_)) is None
