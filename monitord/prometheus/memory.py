"""How much memory Prometheus may use (pure).

Go's collector then works harder before the allocation's limit would have the kernel kill it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

SHARE = 0.75
"""Of what there is: the rest is for the daemon, for collections and for what Go does not count."""
HIGH = 0.9

_UNLIMITED = 1 << 60  # what cgroup v1 says for no limit is a little below 2^63
_MEM_TOTAL = re.compile(r"^MemTotal: +(\d+) kB", re.MULTILINE)
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """A limit for Go's memory, and what it was derived from."""

    limit_bytes: int
    source: str


def memory_limit(
    setting: int | None, environment: Mapping[str, str], cgroup_limits: Iterable[str], meminfo: str
) -> MemoryLimit | None:
    """Return the limit; None when nothing is known, or when GOMEMLIMIT sets it already.

    `cgroup_limits` are the texts of the limits of our control group and those above it, `meminfo` is
    /proc/meminfo.
    """
    if environment.get("GOMEMLIMIT"):
        return None
    if setting is not None:
        return MemoryLimit(setting, "prometheus.memory_bytes")
    known = [
        *_allocation(environment),
        *((_number(text), "the control group") for text in cgroup_limits),
        *(
            (int(kib) * 1024, "the machine")
            for kib in re.findall(r"^MemTotal: +(\d+) kB", meminfo, re.MULTILINE)
        ),
    ]
    sound = [(limit, source) for limit, source in known if limit is not None and 0 < limit < _UNLIMITED]
    if not sound:
        return None
    limit, source = min(sound)
    return MemoryLimit(int(limit * SHARE), source)


def pressure(resident_bytes: int | None, limit_bytes: int | None) -> Literal["ok", "high"] | None:
    """Say whether Prometheus is near its limit; None when that is not known."""
    if resident_bytes is None or not limit_bytes:
        return None
    return "high" if resident_bytes > HIGH * limit_bytes else "ok"


def _allocation(environment: Mapping[str, str]) -> Iterable[tuple[int | None, str]]:
    node = _number(environment.get("SLURM_MEM_PER_NODE", ""))
    if node:
        yield node * _MIB, "the allocation"
    cpu, cpus = (_number(environment.get(f"SLURM_{name}", "")) for name in ("MEM_PER_CPU", "CPUS_ON_NODE"))
    if cpu and cpus:
        yield cpu * cpus * _MIB, "the allocation"


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() else None  # cgroup v2 says `max` for none
