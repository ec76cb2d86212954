"""When a session's scrapes cost so much that the user should know."""

from __future__ import annotations

import pytest

from monitord.prometheus.child.load import load_warning


@pytest.mark.parametrize(("series", "interval"), [(None, 1.0), (0, 0.1), (100_000, 1.0), (1_000_000, 10.0)])
def test_a_session_of_usual_size_is_no_reason_to_warn(series: int | None, interval: float) -> None:
    assert load_warning(series, interval) is None


def test_one_that_has_grown_past_that_is() -> None:
    warning = load_warning(150_000, 0.5)
    assert warning is not None
    assert "150,000 series every 0.5 s are 300,000 samples/s: ten minutes hold 180 million" in warning
