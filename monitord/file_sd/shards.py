"""The file_sd folder: all registrations in force, spread over a few files.

Prometheus reads every file of the folder again when one changes, so their number makes no difference
to it (10,000 files or one: the same load). It does to us: a change rewrites one shard, and a burst of a
thousand at most all of them, each with its own wait for the disk.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from monitord.atomic import publish, remove_leftovers
from monitord.file_sd.render import render_file, render_groups
from monitord.targets.model import Registration

SHARDS = 32


class Shards:
    """What file_sd should hold, what it does hold, and the writes that make one the other."""

    def __init__(self, folder: Path, scrape_interval: float) -> None:
        self._folder = folder
        self._scrape_interval = scrape_interval
        self._groups: dict[str, dict[str, bytes]] = {}
        self._counts: dict[str, int] = {}
        remove_leftovers(folder)
        # Whatever lies there is made to say what is in force, also where that is nothing.
        self._due = {path.name for path in folder.iterdir()}

    @property
    def targets(self) -> int:
        """How many targets are in force."""
        return sum(self._counts.values())

    def put(self, file: str, registration: Registration | None) -> None:
        """Set what a target file has in force; None for nothing."""
        shard = shard_of(file)
        groups = self._groups.setdefault(shard, {})
        if registration is None or not registration.endpoints:
            if groups.pop(file, None) is None:
                return
            del self._counts[file]
        else:
            groups[file] = render_groups(registration, self._scrape_interval)
            self._counts[file] = len(registration.endpoints)
        self._due.add(shard)

    def write(self) -> int:
        """Write what differs; return how many files that were. What fails stays due; raises OSError."""
        written = 0
        for name in sorted(self._due):
            path = self._folder / name
            if name in _NAMES:
                written += publish(path, render_file(self._groups.get(name, {})))
            else:
                path.unlink(missing_ok=True)
                written += 1
            self._due.discard(name)
        return written


def shard_of(file: str) -> str:
    """Return the name of the file_sd file for a target file, the same in every run."""
    return _name(zlib.crc32(os.fsencode(file)) % SHARDS)


def _name(number: int) -> str:
    return f"targets-{number:02d}.json"


_NAMES = frozenset(map(_name, range(SHARDS)))
