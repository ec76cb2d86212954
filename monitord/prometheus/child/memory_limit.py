"""How much memory Prometheus may use, and whether it is close to that (pure).

Go's runtime stays below GOMEMLIMIT by collecting garbage more often. It is a soft limit: a share of the limit
at which the kernel kills, because the page cache and everything else need the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from monitord.errors import InvalidInputError, excerpt

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "GOMEMLIMIT"

_SHARE = 0.75
_HIGH = 0.9
_MIB = 1024 * 1024
_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_GO_LIMIT = re.compile(r"([0-9]+)((?:[KMGT]i)?B)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """What to give as GOMEMLIMIT, None for no limit, and where the number comes from."""

    bytes: int | None
    source: str


def memory_limit(
    setting: int | None, environment: Mapping[str, str], cgroups: Mapping[Path, str], meminfo: str
) -> MemoryLimit:
    """Return the limit: the user's GOMEMLIMIT, else the setting, else a share of the least there is.

    `cgroups` holds the content of those of `cgroup_files` that exist, `meminfo` that of
    /proc/meminfo. Raises InvalidInputError when Go would not start with the user's GOMEMLIMIT.
    """
    own = environment.get(VARIABLE)
    if own:
        return MemoryLimit(_parse_go_limit(own), f"${VARIABLE}")
    if setting is not None:
        return MemoryLimit(setting, "prometheus.memory_bytes")
    known = (*_slurm_limits(environment), *_cgroup_limits(cgroups), *_machine_memory(meminfo))
    if not known:
        return MemoryLimit(None, "nothing says how much memory there is")
    least, source = min(known)
    return MemoryLimit(int(least * _SHARE), source)


def cgroup_files(membership: str, mounted: Path) -> tuple[Path, ...]:
    """Return which files may limit this process's memory.

    `membership` is the text of /proc/self/cgroup, `mounted` where control groups are: /sys/fs/cgroup.
    """
    files: list[Path] = []
    for line in membership.splitlines():
        match line.split(":", 2):
            case ["0", "", path]:
                files += _upwards(mounted, path, "memory.max")
            case [_, controllers, path] if "memory" in controllers.split(","):
                files += _upwards(mounted / "memory", path, "memory.limit_in_bytes")
    return tuple(files)


def pressure(resident_bytes: int | None, limit_bytes: int | None) -> Literal["ok", "high"] | None:
    """Return how close to its limit Prometheus is; None when either is not known."""
    if resident_bytes is None or limit_bytes is None:
        return None
    return "high" if resident_bytes > limit_bytes * _HIGH else "ok"


def _parse_go_limit(text: str) -> int | None:
    if text == "off":
        return None
    match = _GO_LIMIT.fullmatch(text)
    if match is None:
        raise InvalidInputError(
            f"${VARIABLE} is '{excerpt(text)}', with which Prometheus would not start; "
            f"write a number with B, KiB, MiB, GiB or TiB, or unset it"
        )
    return int(match[1]) * _UNITS[match[2] or ""]


def _slurm_limits(environment: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    per_node = _number(environment.get("SLURM_MEM_PER_NODE"))
    per_cpu = _number(environment.get("SLURM_MEM_PER_CPU"))
    cpus = _number(environment.get("SLURM_CPUS_ON_NODE"))
    # 0 is how Slurm writes "all that the node has".
    if per_node:
        yield per_node * _MIB, "$SLURM_MEM_PER_NODE"
    if per_cpu and cpus:
        yield per_cpu * cpus * _MIB, "$SLURM_MEM_PER_CPU"


def _cgroup_limits(cgroups: Mapping[Path, str]) -> Iterator[tuple[int, str]]:
    for file, content in cgroups.items():
        limit = _number(content.strip())  # `max` is none
        if limit:
            yield limit, str(file)


def _machine_memory(meminfo: str) -> Iterator[tuple[int, str]]:
    for line in meminfo.splitlines():
        key, _, value = line.partition(":")
        total = _number(value.removesuffix("kB").strip())
        if key == "MemTotal" and total:
            yield total * 1024, "the machine's memory"


def _upwards(root: Path, path: str, name: str) -> list[Path]:
    inside = [part for part in path.split("/") if part]
    # Seen from inside a container, a group outside of it is `/../…`: only the root shows.
    steps = [] if ".." in inside else inside
    return [root.joinpath(*steps[:depth], name) for depth in range(len(steps), -1, -1)]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() else None
