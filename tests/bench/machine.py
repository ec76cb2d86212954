"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from monitord import __version__
from monitord.prometheus.config.programs import find_binary, read_build
from monitord.system.scratch import file_system_of


def facts(folder: Path) -> str:
    """Return what machine this is, a line for each fact; `folder` is where sessions are made."""
    lines = {
        "processor": f"{_first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": _memory(),
        "kernel": f"{platform.system()} {platform.release()}",
        "sessions on": file_system_of(folder),
        "software": f"monitord {__version__}, Python {platform.python_version()}, "
        f"Prometheus {read_build(find_binary()).version}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
    return "\n".join(f"{name:<12} {value}" for name, value in lines.items())


def _memory() -> str:
    return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"


def _first(file: str, key: str) -> str:
    for line in Path(file).read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"
