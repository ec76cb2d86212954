"""What to write and what to remove so that file_sd says what is desired. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between desired and actual: contents to write, names to remove."""

    writes: Mapping[str, bytes]
    removals: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.writes or self.removals)


def plan(desired: Mapping[str, bytes], actual: Mapping[str, bytes]) -> Plan:
    """Compare file contents by name."""
    writes = {name: content for name, content in desired.items() if actual.get(name) != content}
    return Plan(writes, tuple(sorted(actual.keys() - desired.keys())))
