"""Reading the memory limits of this machine and its control groups."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from monitord.prometheus.child.memory_limit import MemoryLimit, cgroup_files, memory_limit


def find_memory_limit(setting: int | None, environment: Mapping[str, str] = os.environ) -> MemoryLimit:
    """Return how much memory Prometheus may take here; raises as `memory_limit` does."""
    membership = _read(Path("/proc/self/cgroup"))
    cgroups = {file: _read(file) for file in cgroup_files(membership, Path("/sys/fs/cgroup"))}
    return memory_limit(setting, environment, cgroups, _read(Path("/proc/meminfo")))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:  # gone, or not readable for us
        return ""
