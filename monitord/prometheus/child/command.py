"""Prometheus's command line (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitord.documents.durations import format_duration
from monitord.prometheus.api.version import NATIVE_BY_SETTING, Build

if TYPE_CHECKING:
    from pathlib import Path

_LOCK_FLAG = "--storage.tsdb.use-lockfile"


def listen_address(host: str, port: int) -> str:
    """Write HOST:PORT, an IPv6 address in brackets; port 0 asks for a free one."""
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The options of one Prometheus.

    `listen` is HOST:PORT, `retention` is in seconds. Without `web_config`, there is no authentication.
    `admin_api` is for snapshots, and allows deleting data too. With `native_histograms`, they are scraped
    from exporters that have them.
    """

    config: Path
    data_dir: Path
    listen: str
    retention: float
    retention_bytes: int | None = None
    web_config: Path | None = None
    admin_api: bool = False
    native_histograms: bool = False


def command_line(build: Build, options: ServerOptions) -> list[str]:
    """Return Prometheus's argument list.

    The lifecycle API stays off: a changed configuration is loaded by SIGHUP.
    """
    arguments = [
        str(build.binary),
        f"--config.file={options.config}",
        f"--storage.tsdb.path={options.data_dir}",
        f"--storage.tsdb.retention.time={format_duration(options.retention)}",
        f"--web.listen-address={options.listen}",
        "--log.level=info",
        "--enable-feature=extra-scrape-metrics",  # for the bytes that a window's scrapes brought in
    ]
    if options.native_histograms and build.version < NATIVE_BY_SETTING:
        arguments.append("--enable-feature=native-histograms")
    if options.retention_bytes is not None:
        arguments.append(f"--storage.tsdb.retention.size={options.retention_bytes}B")
    if options.web_config is not None:
        arguments.append(f"--web.config.file={options.web_config}")
    if options.admin_api:
        arguments.append("--web.enable-admin-api")
    if _LOCK_FLAG in build.help_text.replace("--[no-]", "--").split():
        # Debian's builds of 2.x lock their data only with this flag; others always do, and do not know it.
        arguments.append(_LOCK_FLAG)
    return arguments
