"""Which files of a drop folder to look at now, with as few requests to the file system as possible.

Every stat is a request to the metadata server of a shared file system. So once per `poll_interval` the
folder's own times are read. The folder is listed when they show that names were added or removed, and
every `full_scan_interval`, because writing a file in place does not change its folder's times. An idle
poll is thus one stat, however many files there are. Between polls, only files are looked at that an event
named or that may still be changing: a lost event costs time, and nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path

from monitord.dropfolder.files import NEVER_SEEN, Signature, signature_of

# Two changes in one tick of the file system's clock leave one time. Ticks of 1 s are the coarsest in use.
TICK_SECONDS = 2.0
MANY_SUSPECTS = 5000

Found = tuple[dict[str, Signature], Set[str]]  # the files that were looked at, and the names that are absent


@dataclass(slots=True)
class Scan:
    """The state of looking at one folder; the intervals are in seconds. `accepts` chooses names."""

    folder: Path
    accepts: Callable[[str], bool]
    poll_interval: float = 0.0
    full_scan_interval: float = 30.0
    _suspect: bool = True
    _suspects: deque[str] = field(default_factory=deque)
    _polled: float = float("-inf")
    _stamp: Signature = NEVER_SEEN
    _stamp_changed: float = 0.0
    _listed: float = float("-inf")
    _device: int | None = None
    _trusted_device: int | None = None

    @property
    def inode(self) -> int:
        """The folder's inode as it was last seen; 0 before the first look."""
        return self._stamp[0]

    def suspect(self, name: str | None = None) -> None:
        """Make the next call of `find` include this file, or all files; may be called from any thread."""
        if name is None or len(self._suspects) >= MANY_SUSPECTS:
            self._suspect = True
        else:
            self._suspects.append(name)

    def find(self, now: float, known: Mapping[str, Signature], pending: Set[str]) -> Found:
        """Return the files that were looked at, and the names that were found to be absent.

        `known` are the files that were there before, `pending` the names to look at in any case; `now` is
        monotonic. Raises OSError when the folder cannot be listed: then nothing is known to be absent.
        """
        suspects = self._take_suspects()
        if not self._must_list(now):
            return self._recheck(suspects | pending, known)
        found = self._list(known)
        out_of_sight = self._is_another_file_system(found.keys(), known)
        self._listed = now
        return found, set() if out_of_sight else (known.keys() | pending) - found.keys()

    def _must_list(self, now: float) -> bool:
        """Return whether files may have changed that are not looked at one by one."""
        if not self._suspect and now - self._polled < self.poll_interval:
            return False
        self._polled = now
        status = self.folder.stat()
        stamp = signature_of(status)
        self._device = status.st_dev
        if stamp != self._stamp:
            self._stamp, self._stamp_changed = stamp, now
        suspect, self._suspect = self._suspect, False
        return (
            suspect
            or now - self._listed >= self.full_scan_interval
            or self._listed - self._stamp_changed <= TICK_SECONDS
        )

    def _is_another_file_system(self, found: Set[str], known: Mapping[str, Signature]) -> bool:
        """Return whether the files are only hidden: unmounted, or something is mounted over them."""
        if self._device != self._trusted_device and known and not found & known.keys():
            return self._trusted_device is not None
        self._trusted_device = self._device
        return False

    def _list(self, known: Mapping[str, Signature]) -> dict[str, Signature]:
        found = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if self.accepts(entry.name):
                    # A name whose stat fails for a moment is still there.
                    found[entry.name] = known.get(entry.name, NEVER_SEEN)
                    with contextlib.suppress(OSError):
                        found[entry.name] = signature_of(entry.stat(follow_symlinks=False))
        return found

    def _take_suspects(self) -> Set[str]:
        names = set()
        while self._suspects:
            names.add(self._suspects.popleft())
        return {name for name in names if self.accepts(name)}

    def _recheck(self, names: Set[str], known: Mapping[str, Signature]) -> Found:
        """Look at these files one by one."""
        found: dict[str, Signature] = {}
        absent: set[str] = set()
        for name in names:
            found[name] = known.get(name, NEVER_SEEN)
            try:
                found[name] = signature_of((self.folder / name).lstat())
            except FileNotFoundError:
                del found[name]
                absent.add(name)
            except OSError:
                continue
        if absent and signature_of(self.folder.stat())[0] != self._stamp[0]:
            raise OSError(errno.ESTALE, "the folder was replaced")  # what it lacks was not deleted
        return found, absent
