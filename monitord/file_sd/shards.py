"""The file_sd folder: all registrations in force, spread over a few files.

Prometheus reads every file of the folder again when one changes, so their number makes no difference
to it (10,000 files or one: the same load). It does to us: a change rewrites one shard, and a burst of a
thousand at most all of them, each with its own wait for the disk. What is scraped with credentials lies
in shards of its own, which the scrape job with these credentials reads.

Prometheus reads a folder on its own node; the session's has copies, written after, where that can be.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Callable, Set
from pathlib import Path

from monitord.file_sd.render import file_prefix, render_file, render_groups
from monitord.system.atomic import publish, remove_leftovers
from monitord.system.listing import names_in
from monitord.targets.credentials import ScrapeCredentials
from monitord.targets.model import Endpoint, Registration

SHARDS = 32

Copy = Callable[[Path, bytes], bool]
"""Publishes a file; returns whether it differed."""


class Shards:
    """The desired and actual content of file_sd, and the writes that reconcile them."""

    def __init__(self, folder: Path, scrape_interval: float, copies: Path, copy: Copy = publish) -> None:
        self._folder = folder
        self._copies = copies
        self._copy = copy
        self.scrape_interval = scrape_interval
        self._groups: dict[str, dict[str, bytes]] = {}
        self._counts: dict[str, int] = {}
        self._credentials: dict[str, Set[ScrapeCredentials]] = {}  # of the files that have any
        self._uses: Counter[ScrapeCredentials] = Counter()
        # Every file there is rewritten with what is in force, even if that is nothing.
        self._due: set[str] = set()
        self._copies_due: set[str] = set()
        for place, due in ((folder, self._due), (copies, self._copies_due)):
            remove_leftovers(place)
            due.update(names_in(place))

    @property
    def targets(self) -> int:
        """How many targets are in force."""
        return sum(self._counts.values())

    @property
    def credentials(self) -> Set[ScrapeCredentials]:
        """The credentials that targets in force are scraped with."""
        return self._uses.keys()

    def put(self, file: str, registration: Registration | None) -> None:
        """Set what a target file has in force; None for nothing."""
        parts: dict[ScrapeCredentials | None, list[Endpoint]] = {}
        for endpoint in registration.endpoints if registration else ():
            parts.setdefault(endpoint.credentials, []).append(endpoint)
        before = self._credentials.pop(file, frozenset())
        after = {credentials for credentials in parts if credentials}
        self._uses = self._uses - Counter(before) + Counter(after) if before or after else self._uses
        if after:
            self._credentials[file] = after
        for credentials in {None, *before, *after}:
            self._put_part(shard_of(file, credentials), file, parts.get(credentials, []))
        if parts:
            self._counts[file] = sum(map(len, parts.values()))
        else:
            self._counts.pop(file, None)

    def _put_part(self, shard: str, file: str, endpoints: list[Endpoint]) -> None:
        groups = self._groups.setdefault(shard, {})
        if endpoints:
            groups[file] = render_groups(endpoints, self.scrape_interval)
        elif groups.pop(file, None) is None:
            return
        self._due.add(shard)

    def write(self) -> int:
        """Write what differs; return how many files that were. What fails stays due; raises OSError."""
        self._copies_due |= self._due
        return self._write(self._folder, self._due, publish)

    @property
    def are_copied(self) -> bool:
        """Whether the copies equal what Prometheus reads."""
        return not self._copies_due

    def write_copies(self) -> None:
        """Write the copies that differ; what fails stays due; raises OSError."""
        self._write(self._copies, self._copies_due, self._copy)

    def _write(self, folder: Path, due: set[str], publish: Copy) -> int:
        written = 0
        for name in sorted(due):
            groups = self._groups.get(name, {})
            if groups or name in _PLAIN:
                written += publish(folder / name, render_file(groups))
            else:
                (folder / name).unlink(missing_ok=True)
                self._groups.pop(name, None)
                written += 1
            due.discard(name)
        return written

    def notice_missing(self) -> None:
        """Mark files that disappeared to be written again: people and cleaners remove files from scratch."""
        self._due |= {name for name, groups in self._groups.items() if groups and not self._is_there(name)}

    def _is_there(self, name: str) -> bool:
        return (self._folder / name).exists()


def shard_of(file: str, credentials: ScrapeCredentials | None = None) -> str:
    """Return the name of the file_sd file for a target file's part, the same in every run."""
    return _name(file_prefix(credentials), zlib.crc32(os.fsencode(file)) % SHARDS)


def _name(prefix: str, number: int) -> str:
    return f"{prefix}-{number:02d}.json"


_PLAIN = frozenset(_name(file_prefix(None), number) for number in range(SHARDS))
