"""What every test may use: `from tests.conftest import wait_until`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T | None], what: str = "the condition", seconds: float = 20.0
) -> T:
    """Poll until a condition is true; return its value, or fail naming what was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"waited {seconds:g} s in vain for {what}")
