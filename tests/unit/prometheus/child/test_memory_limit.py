"""How much memory Prometheus may take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.errors import InvalidInputError
from monitord.prometheus.child.cgroup_memory import find_memory_limit
from monitord.prometheus.child.memory_limit import MemoryLimit, cgroup_files, memory_limit, pressure

MIB = 1024 * 1024
MEMINFO = f"MemTotal:       {16 * MIB} kB\nMemFree: 1 kB\n"  # 16 GiB
CGROUP = Path("/sys/fs/cgroup/job/memory.max")


def limit(environment: dict[str, str], cgroups: dict[Path, str] | None = None) -> MemoryLimit:
    return memory_limit(None, environment, cgroups or {}, MEMINFO)


def three_quarters(mib: int, source: str) -> MemoryLimit:
    return MemoryLimit(mib * MIB * 3 // 4, source)


@pytest.mark.parametrize(
    ("environment", "cgroups", "expected"),
    [
        ({}, {}, three_quarters(16384, "the machine's memory")),
        ({"SLURM_MEM_PER_NODE": "4000"}, {}, three_quarters(4000, "$SLURM_MEM_PER_NODE")),
        ({"SLURM_MEM_PER_NODE": "0"}, {}, three_quarters(16384, "the machine's memory")),
        ({"SLURM_MEM_PER_NODE": "64000"}, {}, three_quarters(16384, "the machine's memory")),
        ({"SLURM_MEM_PER_CPU": "1000", "SLURM_CPUS_ON_NODE": "4"}, {},
         three_quarters(4000, "$SLURM_MEM_PER_CPU")),
        ({"SLURM_MEM_PER_CPU": "1000"}, {}, three_quarters(16384, "the machine's memory")),
        ({"SLURM_MEM_PER_NODE": "a lot"}, {CGROUP: "max\n"}, three_quarters(16384, "the machine's memory")),
        ({"SLURM_MEM_PER_NODE": "4000"}, {CGROUP: f"{2000 * MIB}\n"}, three_quarters(2000, str(CGROUP))),
        ({}, {CGROUP: "9223372036854771712\n"}, three_quarters(16384, "the machine's memory")),
    ],
)  # fmt: skip
def test_it_is_three_quarters_of_the_least_that_is_known(
    environment: dict[str, str], cgroups: dict[Path, str], expected: MemoryLimit
) -> None:
    assert limit(environment, cgroups) == expected


def test_the_setting_is_taken_as_it_is_and_the_users_variable_beats_it() -> None:
    assert memory_limit(5, {}, {}, MEMINFO) == MemoryLimit(5, "prometheus.memory_bytes")
    assert memory_limit(5, {"GOMEMLIMIT": "2GiB"}, {}, MEMINFO) == MemoryLimit(2048 * MIB, "$GOMEMLIMIT")
    assert memory_limit(5, {"GOMEMLIMIT": "7"}, {}, "").bytes == 7
    assert memory_limit(5, {"GOMEMLIMIT": "off"}, {}, MEMINFO).bytes is None
    assert memory_limit(5, {"GOMEMLIMIT": ""}, {}, MEMINFO).bytes == 5


@pytest.mark.parametrize("text", ["2G", "2GB", "-1", "1.5GiB", "GiB", " 1", "1\n", "٣"])
def test_a_variable_that_go_would_not_start_with_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"GOMEMLIMIT is .* would not start"):
        limit({"GOMEMLIMIT": text})


def test_where_nothing_is_known_there_is_no_limit() -> None:
    assert memory_limit(None, {}, {}, "").bytes is None


@pytest.mark.parametrize(
    ("membership", "files"),
    [
        ("0::/\n", ["memory.max"]),
        ("0::/user.slice/7\n", ["user.slice/7/memory.max", "user.slice/memory.max", "memory.max"]),
        ("9:cpu,cpuacct:/x\n5:memory:/slurm\n", ["memory/slurm/memory.limit_in_bytes",
                                                 "memory/memory.limit_in_bytes"]),
        ("0::/../other\n", ["memory.max"]),
        ("0::/a:b\n", ["a:b/memory.max", "memory.max"]),
        ("", []),
        ("1:name=systemd:/x\nnonsense\n", []),
    ],
)  # fmt: skip
def test_the_groups_that_limit_memory(membership: str, files: list[str]) -> None:
    found = cgroup_files(membership, Path("/sys/fs/cgroup"))
    assert [str(file.relative_to("/sys/fs/cgroup")) for file in found] == files


@given(st.text())
def test_whatever_the_kernel_writes_can_be_read(text: str) -> None:
    cgroup_files(text.replace("\0", ""), Path("/"))
    memory_limit(None, {"SLURM_MEM_PER_NODE": text}, {CGROUP: text}, f"MemTotal: {text}\n{text}")


@pytest.mark.parametrize(
    ("resident", "most", "expected"),
    [(90, 100, "ok"), (91, 100, "high"), (None, 100, None), (50, None, None), (0, 100, "ok")],
)
def test_pressure(resident: int | None, most: int | None, expected: str | None) -> None:
    assert pressure(resident, most) == expected


def test_this_machine_has_memory() -> None:
    found = find_memory_limit(None, {})
    assert found.bytes is not None
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert MIB < found.bytes <= total * 3 // 4
