"""Units, and what can be turned into what."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.documents.units import convert, fitting_units


@pytest.mark.parametrize(
    ("value", "unit", "into", "expected"),
    [
        (0.3, "s", "ms", 300.0),
        (250.0, "ms", "s", 0.25),
        (95.0, "%", "ratio", 0.95),
        (0.95, "", "%", 95.0),
        (2.0, "KiB", "B", 2048.0),
        (1.5, "MB/s", "kB/s", 1500.0),
        (60.0, "requests/min", "requests/s", 1.0),
        (1.0, "kWh", "J", 3.6e6),
        (7.0, "requests/s", "requests/s", 7.0),
    ],
)
def test_a_value_in_another_unit(value: float, unit: str, into: str, expected: float) -> None:
    assert convert(value, unit, into) == expected


@pytest.mark.parametrize(
    ("unit", "into"),
    [
        ("ms", "B"),
        ("requests/s", "tokens/s"),
        ("requests", "requests/s"),
        ("msec", "ms"),
        ("%", "requests/s"),
    ],
)
def test_what_cannot_be_turned_into_another(unit: str, into: str) -> None:
    assert convert(1.0, unit, into) is None


TIMES = st.sampled_from(fitting_units("s"))
BYTES = st.sampled_from(fitting_units("B"))


@given(value=st.floats(1e-6, 1e12), units=st.tuples(TIMES, TIMES) | st.tuples(BYTES, BYTES))
def test_there_and_back_is_the_same(value: float, units: tuple[str, str]) -> None:
    first, second = units
    there = convert(value, first, second)
    assert there is not None
    back = convert(there, second, first)
    assert back is not None
    assert math.isclose(back, value, rel_tol=1e-12)
