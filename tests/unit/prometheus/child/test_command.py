"""The command line, and which binaries are accepted."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from monitord.errors import PrometheusError
from monitord.prometheus.child.command import (
    Build,
    ServerOptions,
    Version,
    command_line,
    has_left_open_ranges,
    has_old_extrapolation,
    listen_address,
    native_warning,
    parse_version,
)

BINARY = Path("/bin/prometheus")
UPSTREAM_HELP = "  --storage.tsdb.path  where\n  --storage.tsdb.no-lockfile  Do not create lockfile\n"
DEBIAN_HELP = "  --storage.tsdb.use-lockfile  \n     Create a lockfile in data directory.\n"


OLDEST = Version(2, 42, 0)


def command(help_text: str = "", version: Version = OLDEST, **more: Any) -> list[str]:
    listen = listen_address("127.0.0.1", 0)
    options = ServerOptions(Path("/s/prometheus.yml"), Path("/tmp/data"), listen, 15 * 86400.0, **more)
    return command_line(Build(BINARY, version, help_text), options)


def test_it_is_this_line() -> None:
    assert command(UPSTREAM_HELP, web_config=Path("/s/web.yml"), retention_bytes=1000) == [
        "/bin/prometheus",
        "--config.file=/s/prometheus.yml",
        "--storage.tsdb.path=/tmp/data",
        "--storage.tsdb.retention.time=15d",
        "--web.listen-address=127.0.0.1:0",
        "--log.level=info",
        "--enable-feature=extra-scrape-metrics",
        "--storage.tsdb.retention.size=1000B",
        "--web.config.file=/s/web.yml",
    ]


def test_without_authentication_there_is_no_web_config() -> None:
    assert not any("web.config" in argument for argument in command())


def test_the_admin_api_is_on_only_where_it_is_asked_for() -> None:
    assert not any("admin" in argument for argument in command())
    assert "--web.enable-admin-api" in command(admin_api=True)


def test_native_histograms_are_switched_on_where_that_is_not_a_setting() -> None:
    feature = "--enable-feature=native-histograms"
    assert feature not in command()
    assert feature in command(native_histograms=True)
    assert feature in command(version=Version(3, 7, 3), native_histograms=True)
    assert feature not in command(version=Version(3, 8, 0), native_histograms=True)


def test_the_oldest_versions_lose_the_classic_form() -> None:
    assert "only the native form" in (native_warning(OLDEST) or "")
    assert native_warning(Version(2, 45, 0)) is None


def test_locking_is_switched_on_where_it_is_off_by_default() -> None:
    assert "--storage.tsdb.use-lockfile" in command(DEBIAN_HELP)
    assert "--storage.tsdb.use-lockfile" in command(DEBIAN_HELP.replace("--", "--[no-]"))
    for upstream in (UPSTREAM_HELP, UPSTREAM_HELP.replace("--", "--[no-]")):
        assert not any("lockfile" in argument for argument in command(upstream))


@pytest.mark.parametrize(
    ("host", "port", "written"),
    [
        ("127.0.0.1", 9090, "127.0.0.1:9090"),
        ("mel0042", 0, "mel0042:0"),
        ("::1", 0, "[::1]:0"),
        ("[::1]", 9090, "[::1]:9090"),
    ],
)
def test_listen_address(host: str, port: int, written: str) -> None:
    assert listen_address(host, port) == written


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


@pytest.mark.parametrize(
    ("version", "old"),
    [("2.42.0+ds", True), ("2.51.2", True), ("2.52.0", False), ("3.5.3+ds1", False), ("None", False)],
)
def test_extrapolation_is_as_it_was_before_2_52(version: str, old: bool) -> None:
    assert has_old_extrapolation(version) is old


@pytest.mark.parametrize("text", ["", "node_exporter, version 1.5.0", "Python 3.11.7"])
def test_another_program_is_refused(text: str) -> None:
    with pytest.raises(PrometheusError, match=r"/bin/prometheus is not Prometheus.*MONITORD"):
        parse_version(text, BINARY)
