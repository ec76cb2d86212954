"""Versions of Prometheus: read, refused, and what they change."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitord.errors import PrometheusError
from monitord.prometheus.api.version import (
    Version,
    has_left_open_ranges,
    native_warning,
    parse_version,
)

BINARY = Path("/bin/prometheus")


OLDEST = Version(2, 42, 0)


def test_the_oldest_versions_lose_the_classic_form() -> None:
    assert "only the native form" in (native_warning(OLDEST) or "")
    assert native_warning(Version(2, 45, 0)) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("prometheus, version 2.42.0+ds (branch: debian/sid, revision: 1)\n", (2, 42, 0)),
        ("prometheus, version 3.5.1 (branch: HEAD, revision: 2)\n  build user: x", (3, 5, 1)),
        ("warning: x\nprometheus, version v3.99.10+vendor-1 (branch: HEAD)", (3, 99, 10)),
    ],
)
def test_versions_are_read(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text, BINARY) == version
    assert str(Version(*version)) == ".".join(map(str, version))


@pytest.mark.parametrize(
    "version",
    ["2.41.9", "1.8.2", "4.0.0", "10.0.0+ds", "2.42.0-rc.0", "2.43.0~rc.0+ds", "3.0.0-beta.1", "4.0.0-rc.1"],
)
def test_versions_that_are_not_known_are_refused_by_name(version: str) -> None:
    named = rf"is Prometheus {re.escape(version.removesuffix('+ds'))}; .*2\.42\.0 .*4\.0\.0 .*MONITORD_PROM"
    with pytest.raises(PrometheusError, match=named):
        parse_version(f"prometheus, version {version} (branch: HEAD)", BINARY)


@pytest.mark.parametrize(
    ("version", "left_open"),
    [("2.42.0+ds", False), ("2.55.1", False), ("3.0.0", True), ("3.5.3+ds1", True), ("None", False)],
)
def test_ranges_are_left_open_since_3_0(version: str, left_open: bool) -> None:
    assert has_left_open_ranges(version) is left_open


@pytest.mark.parametrize("text", ["", "node_exporter, version 1.5.0", "Python 3.11.7"])
def test_another_program_is_refused(text: str) -> None:
    with pytest.raises(PrometheusError, match=r"/bin/prometheus is not Prometheus.*MONITORD"):
        parse_version(text, BINARY)
