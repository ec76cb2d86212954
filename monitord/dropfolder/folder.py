"""A drop folder, which anybody may write to at any time, and whose writers may crash half-way.

`look` finds what is new and reads it. Calling it often enough misses nothing, so no event is needed for
correctness. A file is handed on once it has stopped changing; one that is half-written is looked at again.
A file counts as deleted when two looks in a row do not find it. When a look fails, nothing counts as
deleted.

What a look returns is a proposal, until `seen` confirms that it was processed: a round that failed before
that finds the same again. It then gets half as many changes at a time, those that failed least often
first, so that one change that cannot be processed does not hold up the others.

Which files are looked at, and when the folder is listed: `scan.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

from monitord.dropfolder.files import NEVER_SEEN, DroppedFile, Signature, read_file
from monitord.dropfolder.scan import Scan
from monitord.system.backoff import Backoff

# A complete file mostly ends with a newline; one that was cut off mostly does not.
QUIET_SECONDS = 0.025
QUIET_SECONDS_UNFINISHED = 1.0
OLD_SECONDS = 5.0
GONE_SECONDS = 0.1
# A change that fails repeatedly, also alone, is tried less and less often.
PATIENT_TRIES = 3
BACKOFF = Backoff(first=8.0, longest=30.0)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the folder found, to be processed as a whole.

    `unsettled` are the names of files that may still be changing, and are not handed on yet. `look_again`
    is in how many seconds something is due, or None. `failure` is why the folder could not be listed:
    then nothing is known to have changed.
    """

    changed: tuple[DroppedFile, ...] = ()
    gone: tuple[str, ...] = ()
    unsettled: frozenset[str] = frozenset()
    look_again: float | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A file that may still be changing: how it was first seen, and for how long it must not change."""

    signature: Signature
    since: float
    quiet: float

    @property
    def due(self) -> float:
        return self.since + self.quiet


class DropFolder:
    """A drop folder and what was last handed on from it.

    `accepts` chooses names. `empty_is_content` says whether an empty file has a meaning here (a marker)
    or is a write that has just begun (a target file). The intervals, in seconds, may be changed later.
    """

    def __init__(
        self,
        folder: Path,
        accepts: Callable[[str], bool],
        empty_is_content: bool = False,
        poll_interval: float = 0.0,
        full_scan_interval: float = 30.0,
    ) -> None:
        self.folder = folder
        self._empty_is_content = empty_is_content
        self._scan = Scan(folder, accepts, poll_interval, full_scan_interval)
        self._known: dict[str, Signature] = {}
        self._unsettled: dict[str, _Unsettled] = {}
        self._missing: dict[str, float] = {}  # since when
        self._proposed: dict[str, _Unsettled | None] = {}  # None: it is gone
        self._tries: dict[str, int] = {}  # the number of failed rounds that a change was in
        self._alone: dict[str, int] = {}  # the number of those that had no other change
        self._most = float("inf")  # how many changes to hand on at a time

    @property
    def poll_interval(self) -> float:
        return self._scan.poll_interval

    @poll_interval.setter
    def poll_interval(self, seconds: float) -> None:
        self._scan.poll_interval = seconds

    @property
    def full_scan_interval(self) -> float:
        return self._scan.full_scan_interval

    @full_scan_interval.setter
    def full_scan_interval(self, seconds: float) -> None:
        self._scan.full_scan_interval = seconds

    @property
    def inode(self) -> int:
        """The folder's inode as it was last seen; 0 before the first look."""
        return self._scan.inode

    def suspect(self, name: str | None = None) -> None:
        """Make the next look include this file, or all files; may be called from any thread."""
        self._scan.suspect(name)

    def expect(self, name: str) -> None:
        """Remember a file from an earlier run, so that its deletion since then is noticed."""
        self._known.setdefault(name, NEVER_SEEN)

    def read_again(self, name: str) -> None:
        """Make the next look hand a file on again, even unchanged; for the thread that calls `look`."""
        if name in self._known:
            self._known[name] = NEVER_SEEN
            self.suspect(name)

    def look(self, now: float, wall: float) -> Look:
        """Look at the folder; `now` is monotonic, `wall` Unix seconds."""
        self._propose_again(now)
        try:
            found, absent = self._scan.find(now, self._known, self._unsettled.keys() | self._missing.keys())
            self._note_missing(found.keys(), absent, now)
            changed, gone = self._propose(found, now, wall)
        except OSError as error:
            self.suspect()
            return Look(failure=f"cannot list {self.folder}: {error.strerror or error}")
        except BaseException:
            self.suspect()  # what this look did not get to must still be found
            raise
        due = [item.due for item in self._unsettled.values()]
        due += [since + GONE_SECONDS for since in self._missing.values()]
        unsettled = frozenset(self._unsettled)
        return Look(tuple(changed), gone, unsettled, max(min(due) - now, 0.0) if due else None)

    def seen(self) -> None:
        """Confirm that what the last look returned was processed: it is not returned again."""
        if not self._proposed:
            return
        for name, change in self._proposed.items():
            self._tries.pop(name, None)
            self._alone.pop(name, None)
            if change is None:
                self._known.pop(name, None)
            else:
                self._known[name] = change.signature
        self._proposed.clear()
        self._most = self._most * 2 if self._tries else float("inf")

    def _propose_again(self, now: float) -> None:
        """Propose again what no round has confirmed."""
        if not self._proposed:
            return
        alone = 1 if len(self._proposed) == 1 else 0
        self._most = max(len(self._proposed) // 2, 1)
        for name, change in self._proposed.items():
            # That round may have processed it nevertheless: whatever happens to it now is a change.
            self._known[name] = NEVER_SEEN
            self._tries[name] = self._tries.get(name, 0) + 1
            self._alone[name] = tries = self._alone.get(name, 0) + alone
            pause = BACKOFF.seconds(tries - PATIENT_TRIES + 1)
            if change is None:
                self._missing[name] = now + pause - GONE_SECONDS
            else:
                self._unsettled[name] = replace(change, since=now, quiet=pause)
        self._proposed.clear()

    def _propose(
        self, found: Mapping[str, Signature], now: float, wall: float
    ) -> tuple[list[DroppedFile], tuple[str, ...]]:
        """Choose what to hand on now: the files that have changed, and the names of those that are gone."""
        waiting = [name for name, signature in found.items() if signature != self._known.get(name)]
        waiting += [name for name, since in self._missing.items() if now - since >= GONE_SECONDS]
        if self._tries:
            waiting.sort(key=lambda name: self._tries.get(name, 0))
        changed = []
        for name in waiting:
            if len(self._proposed) >= self._most:
                if name in found:  # it waits, like a file that is being written
                    self._unsettled.setdefault(name, _Unsettled(NEVER_SEEN, now, 0.0))
            elif name not in found:
                del self._missing[name]
                self._proposed[name] = None
            elif file := self._take(name, found[name], now, wall):
                changed.append(file)
        return changed, tuple(name for name, change in self._proposed.items() if change is None)

    def _take(self, name: str, signature: Signature, now: float, wall: float) -> DroppedFile | None:
        """Return a changed file once it has stopped changing."""
        earlier = self._unsettled.get(name)
        if earlier is not None and earlier.signature == signature and now < earlier.due:
            return None
        try:
            signature, file = read_file(self.folder, name)
        except OSError:
            # Unreadable for a moment (EIO, ESTALE, ENOENT): its last version stays.
            self._unsettled[name] = _Unsettled(NEVER_SEEN, now, QUIET_SECONDS_UNFINISHED)
            return None
        if earlier is None or earlier.signature != signature:
            earlier = _Unsettled(signature, now, self._quiet_seconds(file, wall))
        if now < earlier.due:
            self._unsettled[name] = earlier
            return None
        self._unsettled.pop(name, None)
        self._proposed[name] = earlier
        return file

    def _quiet_seconds(self, file: DroppedFile, wall: float) -> float:
        if file.problem:
            return QUIET_SECONDS
        if file.content.endswith(b"\n") or (self._empty_is_content and not file.content):
            return 0.0 if wall - file.modified_at > OLD_SECONDS else QUIET_SECONDS
        return QUIET_SECONDS_UNFINISHED

    def _note_missing(self, found: Set[str], absent: Set[str], now: float) -> None:
        """Note since when files are missing: after two looks without them they are gone."""
        for name in absent:
            self._unsettled.pop(name, None)
            if name in self._known:
                self._missing.setdefault(name, now)
        for name in found & self._missing.keys():
            del self._missing[name]
