"""What file_sd says by now, found by the marks that the bench puts on its targets.

Which file holds which target is monitord's affair: all of them are looked at, and only those that
changed are read, so that looking takes as little as it can from what is measured.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.session import await_that

LOOK_SECONDS = 0.0002
_MARK = re.compile(rb'"mark"\s*:\s*"([^"]+)"')

_Version = tuple[int, int, int]


def marked(mark: str, *ports: int) -> str:
    """Return a target file whose endpoints, on this machine, all carry a mark."""
    exporters = ", ".join(f'e{number}: "127.0.0.1:{port}"' for number, port in enumerate(ports))
    return f"exporters: {{{exporters}}}\nlabels: {{mark: {mark}}}\n"


@dataclass(slots=True)
class FileSd:
    """A file_sd folder, and what each of its files held when it was last read."""

    folder: Path
    _known: dict[str, tuple[_Version, frozenset[str]]] = field(default_factory=dict)

    def marks(self) -> frozenset[str]:
        """Return all marks that are there now."""
        known = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json"):
                    # It may be replaced or removed between the listing and this.
                    with contextlib.suppress(FileNotFoundError):
                        known[entry.name] = self._read(entry)
        self._known = known
        return frozenset().union(*(marks for _, marks in known.values()))

    def _read(self, entry: os.DirEntry[str]) -> tuple[_Version, frozenset[str]]:
        status = os.stat(entry.path)  # noqa: PTH116  # as quickly as can be
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._known.get(entry.name)
        if known is not None and known[0] == version:
            return known
        return version, frozenset(mark.decode() for mark in _MARK.findall(Path(entry.path).read_bytes()))

    def await_marks(self, marks: Iterable[str], what: str, poll_seconds: float = LOOK_SECONDS) -> float:
        """Wait until these are all there; return the `time.perf_counter()` at which they were."""
        wanted = frozenset(marks)
        await_that(lambda: wanted <= self.marks(), f"{what} in file_sd", poll_seconds)
        return time.perf_counter()

    def await_none(self, marks: Iterable[str]) -> None:
        """Wait until none of these is there any more."""
        unwanted = frozenset(marks)
        await_that(lambda: not unwanted & self.marks(), "targets to leave file_sd")
