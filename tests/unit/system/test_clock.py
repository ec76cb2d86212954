"""Times: the machine's clock, and ISO 8601 both ways."""

from __future__ import annotations

import time

from freezegun import freeze_time

from monitord.system.clock import SystemClock
from monitord.system.timestamps import to_iso


def test_the_system_clock_is_the_time_of_day() -> None:
    with freeze_time("2026-01-31T09:30:00Z") as frozen:
        assert to_iso(SystemClock().now()) == "2026-01-31T09:30:00.000Z"
        frozen.tick(1.25)
        assert to_iso(SystemClock().now()) == "2026-01-31T09:30:01.250Z"


def test_the_monotonic_clock_never_goes_back() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    assert before <= clock.monotonic() <= time.monotonic()
