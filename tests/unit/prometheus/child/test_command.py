"""The command line, and which binaries are accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitord.prometheus.api.version import (
    Build,
    Version,
)
from monitord.prometheus.child.command import ServerOptions, command_line, listen_address

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
