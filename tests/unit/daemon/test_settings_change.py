"""What a running daemon takes up of changed settings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.daemon.settings_change import change
from monitord.session.settings import Settings, check_settings, differing, render_settings

IN_PLACE: dict[str, Any] = {
    "scrape_interval": "7s",
    "shutdown_timeout": "5s",
    "watch.poll_interval": "7s",
    "watch.full_scan_interval": "8s",
    "windows.settle_timeout": "3s",
    "windows.min_coverage": 0.5,
    "windows.samples": False,
    "status.keep": "2h",
    "prometheus.limits.samples": 10,
    "prometheus.limits.body_bytes": 11,
}
AT_START: dict[str, Any] = {
    "session": "other",
    "watch.mode": "poll",
    "targets.allow": ["10.0.0.0/8"],
    "targets.deny": [],
    "prometheus.port": 1,
    "prometheus.auth": False,
    "prometheus.retention": "1d",
    "prometheus.tls.enabled": True,
}


def settings(keys: dict[str, Any]) -> Settings:
    return check_settings(render_settings(keys)) if keys else Settings()


@pytest.mark.parametrize("key", IN_PLACE)
def test_these_are_taken_up_at_once(key: str) -> None:
    wanted = settings({key: IN_PLACE[key]})
    found = change(Settings(), wanted)
    assert (found.settings, found.changed, found.needs_restart) == (wanted, (key,), ())


@pytest.mark.parametrize("key", AT_START)
def test_these_wait_for_a_restart(key: str) -> None:
    found = change(Settings(), settings({key: AT_START[key]}))
    assert (found.settings, found.changed, found.needs_restart) == (Settings(), (), (key,))


@given(st.sets(st.sampled_from([*IN_PLACE, *AT_START])), st.sets(st.sampled_from([*IN_PLACE, *AT_START])))
def test_every_difference_is_applied_or_reported(before: set[str], after: set[str]) -> None:
    values = {**IN_PLACE, **AT_START}
    held, wanted = (settings({key: values[key] for key in keys}) for keys in (before, after))
    found = change(held, wanted)
    assert set(found.changed) | set(found.needs_restart) == set(differing(held, wanted)) == before ^ after
    assert set(found.changed) <= set(IN_PLACE)
    assert set(found.needs_restart) <= set(AT_START)
    again = change(found.settings, wanted)
    assert (again.settings, again.changed, again.needs_restart) == (found.settings, (), found.needs_restart)
