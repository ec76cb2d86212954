"""The memory limit: the smallest that is known, and nothing invented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.prometheus.memory import MemoryLimit, memory_limit, pressure

MEMINFO = "MemTotal:        8000000 kB\nMemFree: 1 kB\n"
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("environment", "cgroups", "limit", "source"),
    [
        ({"SLURM_MEM_PER_NODE": "4000"}, (), 3000 * MIB, "the allocation"),
        ({"SLURM_MEM_PER_CPU": "1000", "SLURM_CPUS_ON_NODE": "4"}, (), 3000 * MIB, "the allocation"),
        ({"SLURM_MEM_PER_CPU": "1000"}, (), 6_144_000_000, "the machine"),
        ({"SLURM_MEM_PER_NODE": "0"}, (), 6_144_000_000, "the machine"),  # Slurm's word for all there is
        ({}, ("max\n", "2000000000\n"), 1_500_000_000, "the control group"),
        ({"SLURM_MEM_PER_NODE": "4000"}, ("2000000000\n",), 1_500_000_000, "the control group"),
        ({}, ("9223372036854771712",), 6_144_000_000, "the machine"),
        ({"SLURM_MEM_PER_NODE": "64G?"}, ("",), 6_144_000_000, "the machine"),
    ],
)
def test_the_smallest_that_is_known_counts(
    environment: dict[str, str], cgroups: tuple[str, ...], limit: int, source: str
) -> None:
    assert memory_limit(None, environment, cgroups, MEMINFO) == MemoryLimit(limit, source)


def test_the_users_own_word_beats_all() -> None:
    assert memory_limit(None, {"GOMEMLIMIT": "1GiB"}, (), MEMINFO) is None
    assert memory_limit(77, {"SLURM_MEM_PER_NODE": "4000"}, (), MEMINFO) == MemoryLimit(
        77, "prometheus.memory_bytes"
    )


def test_where_nothing_is_known_nothing_is_set() -> None:
    assert memory_limit(None, {}, (), "") is None


@given(st.lists(st.text()), st.text())
def test_any_text_is_read(cgroups: list[str], meminfo: str) -> None:
    memory_limit(None, {}, cgroups, meminfo)


def test_pressure() -> None:
    assert pressure(95, 100) == "high"
    assert pressure(50, 100) == "ok"
    assert pressure(None, 100) is None
    assert pressure(50, None) is None
