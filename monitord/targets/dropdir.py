"""Reading a drop folder that anybody may write to, at any time, and crash while doing so.

`look` finds what is new and reads it; whoever calls it often enough misses nothing, so no event is
needed for correctness. A file is handed on once it has stopped changing: a half-written one is looked
at again. A file counts as deleted when two looks in a row lack it; a look that fails says nothing.

What a look returns is a proposal, until `seen` says that it was taken in: a round that failed before finds
the same again. Half as much at a time then, what failed least first, so that one change of which no round
can make anything keeps no other from being taken in.

Every stat is a request to the metadata server of a shared file system. So once a `poll_interval` the
folder itself is asked for its times; it is listed when they say that names came or went, and every
`full_scan_interval`, because a file that is written in place leaves its folder's times alone. An idle
poll is thus one stat, however many files there are. In between, only files are looked at that an event
named or that were about to change: an event that gets lost costs time, and nothing else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from monitord.documents.strict_yaml import MAX_BYTES
from monitord.system.backoff import Backoff

# A writer that is done leaves a last line that ends; one that was cut off mostly does not.
QUIET_SECONDS = 0.025
QUIET_SECONDS_UNFINISHED = 1.0
OLD_SECONDS = 5.0
GONE_SECONDS = 0.1
# Two changes in one tick of the file system's clock leave one time. Ticks of 1 s are the coarsest in use.
TICK_SECONDS = 2.0
MANY_SUSPECTS = 5000
# What fails also alone, and has so often, is tried less and less often.
PATIENT_TRIES = 3
BACKOFF = Backoff(first=8.0, longest=30.0)

Signature = tuple[int, int, int, int]
_NEVER_SEEN: Signature = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A file as it was read: its content, or what keeps it from being one to read.

    `modified_at` is its modification time in Unix seconds, by the clock of whoever wrote it; `uid` and
    `mode` say who may have written it.
    """

    name: str
    modified_at: float
    modified_ns: int
    content: bytes = b""
    problem: str = ""
    uid: int = -1
    mode: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the folder found, to be taken in whole.

    `unsettled` names what may still be changing, and is not handed on yet; `look_again` is in how many
    seconds something is due, or None. `failure` says why the
    folder could not be listed; nothing has then changed as far as anybody knows.
    """

    changed: tuple[DroppedFile, ...] = ()
    gone: tuple[str, ...] = ()
    unsettled: frozenset[str] = frozenset()
    look_again: float | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A file that may still be changing: as it was first seen, and for how long it must stay so."""

    signature: Signature
    since: float
    quiet: float

    @property
    def due(self) -> float:
        return self.since + self.quiet


@dataclass(slots=True)
class DropFolder:
    """A drop folder and what was last handed on from it.

    `accepts` chooses names; `empty_is_content` says whether an empty file means something here (a
    marker) or is a write that has only begun (a target file). The intervals are in seconds.
    """

    folder: Path
    accepts: Callable[[str], bool]
    empty_is_content: bool = False
    poll_interval: float = 0.0
    full_scan_interval: float = 30.0
    _known: dict[str, Signature] = field(default_factory=dict)
    _unsettled: dict[str, _Unsettled] = field(default_factory=dict)
    _missing: dict[str, float] = field(default_factory=dict)
    _suspect: bool = True
    _suspects: deque[str] = field(default_factory=deque)
    _polled: float = float("-inf")
    _stamp: Signature = _NEVER_SEEN
    _stamp_changed: float = 0.0
    _listed: float = float("-inf")
    _device: int | None = None
    _trusted_device: int | None = None
    _proposed: dict[str, _Unsettled | None] = field(default_factory=dict)  # None: that it is gone
    _tries: dict[str, int] = field(default_factory=dict)  # in how many rounds that failed it was
    _alone: dict[str, int] = field(default_factory=dict)  # and in how many of them was nothing else
    _most: float = float("inf")

    def expect(self, name: str) -> None:
        """Remember a file from an earlier run, so that its deletion since then is noticed."""
        self._known.setdefault(name, _NEVER_SEEN)

    @property
    def inode(self) -> int:
        """The folder's inode as it was last seen; 0 before the first look."""
        return self._stamp[0]

    def suspect(self, name: str | None = None) -> None:
        """Have the next look look at this file, or at all of them; may be called from any thread."""
        if name is None or len(self._suspects) >= MANY_SUSPECTS:
            self._suspect = True
        else:
            self._suspects.append(name)

    def read_again(self, name: str) -> None:
        """Have the next look hand a file on again, though it may be the same; called by who looks."""
        if name in self._known:
            self._known[name] = _NEVER_SEEN
            self.suspect(name)

    def look(self, now: float, wall: float) -> Look:
        """Look at the folder; `now` is monotonic, `wall` Unix seconds."""
        self._take_back(now)
        try:
            found, absent = self._find(now)
            self._note_missing(found.keys(), absent, now)
            changed, gone = self._propose(found, now, wall)
        except OSError as error:
            self._suspect = True
            return Look(failure=f"cannot list {self.folder}: {error.strerror or error}")
        except BaseException:
            self._suspect = True  # what this look did not come to is still to be found
            raise
        due = [item.due for item in self._unsettled.values()]
        due += [since + GONE_SECONDS for since in self._missing.values()]
        unsettled = frozenset(self._unsettled)
        return Look(tuple(changed), gone, unsettled, max(min(due) - now, 0.0) if due else None)

    def seen(self) -> None:
        """Take what the last look returned as taken in: only other changes are returned from now on."""
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

    def _take_back(self, now: float) -> None:
        """Have what no round has taken in found again."""
        if not self._proposed:
            return
        alone = 1 if len(self._proposed) == 1 else 0
        self._most = max(len(self._proposed) // 2, 1)
        for name, change in self._proposed.items():
            # That round may have taken it in all the same: whatever becomes of it now is a change.
            self._known[name] = _NEVER_SEEN
            self._tries[name] = self._tries.get(name, 0) + 1
            self._alone[name] = tries = self._alone.get(name, 0) + alone
            pause = BACKOFF.seconds(tries - PATIENT_TRIES + 1)
            if change is None:
                self._missing[name] = now + pause - GONE_SECONDS
            else:
                self._unsettled[name] = replace(change, since=now, quiet=pause)
        self._proposed.clear()

    def _find(self, now: float) -> tuple[dict[str, Signature], Set[str]]:
        """Return the files that were looked at, and those that were found to be absent."""
        suspects = self._take_suspects()
        if not self._must_list(now):
            return self._recheck(suspects)
        found = self._list()
        out_of_sight = self._is_another_file_system(found.keys())
        self._listed = now
        return found, set() if out_of_sight else (self._known.keys() | self._unsettled.keys()) - found.keys()

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
                if name in found:  # it is not handed on yet, and so like one that is being written
                    self._unsettled.setdefault(name, _Unsettled(_NEVER_SEEN, now, 0.0))
            elif name not in found:
                del self._missing[name]
                self._proposed[name] = None
            elif file := self._take(name, found[name], now, wall):
                changed.append(file)
        return changed, tuple(name for name, change in self._proposed.items() if change is None)

    def _must_list(self, now: float) -> bool:
        """Say whether anything may have changed but in the files that are looked at one by one."""
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

    def _is_another_file_system(self, found: Set[str]) -> bool:
        """Say whether the files are out of sight only: unmounted, or something mounted over them."""
        if self._device != self._trusted_device and self._known and not found & self._known.keys():
            return self._trusted_device is not None
        self._trusted_device = self._device
        return False

    def _list(self) -> dict[str, Signature]:
        found = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if self.accepts(entry.name):
                    # A name that cannot be looked at for a moment is there all the same.
                    found[entry.name] = self._known.get(entry.name, _NEVER_SEEN)
                    with contextlib.suppress(OSError):
                        found[entry.name] = signature_of(entry.stat(follow_symlinks=False))
        return found

    def _take_suspects(self) -> Set[str]:
        names = set()
        while self._suspects:
            names.add(self._suspects.popleft())
        return {name for name in names if self.accepts(name)}

    def _recheck(self, suspects: Set[str]) -> tuple[dict[str, Signature], Set[str]]:
        """Look at these, the unsettled and the missing files; return those there and those not."""
        found, absent = {}, set()
        for name in {*suspects, *self._unsettled, *self._missing}:
            found[name] = self._known.get(name, _NEVER_SEEN)
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

    def _take(self, name: str, signature: Signature, now: float, wall: float) -> DroppedFile | None:
        """Return a changed file once it has stopped changing."""
        earlier = self._unsettled.get(name)
        if earlier is not None and earlier.signature == signature and now < earlier.due:
            return None
        try:
            signature, file = read_file(self.folder, name)
        except OSError:
            # Unreadable for a moment (EIO, ESTALE, ENOENT): what was known of it stands.
            self._unsettled[name] = _Unsettled(_NEVER_SEEN, now, QUIET_SECONDS_UNFINISHED)
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
        if file.content.endswith(b"\n") or (self.empty_is_content and not file.content):
            return 0.0 if wall - file.modified_at > OLD_SECONDS else QUIET_SECONDS
        return QUIET_SECONDS_UNFINISHED

    def _note_missing(self, found: Set[str], absent: Set[str], now: float) -> None:
        """Note since when files are missing: what is so for two looks is gone."""
        for name in absent:
            self._unsettled.pop(name, None)
            if name in self._known:
                self._missing.setdefault(name, now)
        for name in found & self._missing.keys():
            del self._missing[name]


def read_file(folder: Path, name: str) -> tuple[Signature, DroppedFile]:
    """Read a file that anybody may have put there: never follow a link, never block on a pipe.

    Raises OSError when it cannot be read at this moment, also when it changed meanwhile.
    """
    path = folder / name
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        return signature_of(status), _described(
            name, status, problem=f"is {_kind(status)}; only plain files are read"
        )
    if status.st_size > MAX_BYTES:
        problem = f"holds {status.st_size} bytes; at most {MAX_BYTES} are allowed"
        return signature_of(status), _described(name, status, problem=problem)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except PermissionError as error:
        problem = f"cannot be read by the daemon: {error.strerror}; let its user read it, as by chmod g+r"
        return signature_of(status), _described(name, status, problem=problem)
    with os.fdopen(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.ESTALE, f"{name} became {_kind(before)} while it was opened")
        content = file.read(MAX_BYTES + 1)
        if signature_of(os.fstat(descriptor)) != signature_of(before):
            raise OSError(errno.EAGAIN, f"{name} changed while it was read")
    return signature_of(before), _described(name, before, content)


def signature_of(status: os.stat_result) -> Signature:
    """Return what changes when a file changes."""
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _described(name: str, status: os.stat_result, content: bytes = b"", problem: str = "") -> DroppedFile:
    return DroppedFile(
        name, status.st_mtime_ns / 1e9, status.st_mtime_ns, content, problem,
        status.st_uid, stat.S_IMODE(status.st_mode),
    )  # fmt: skip


def _kind(status: os.stat_result) -> str:
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a FIFO, socket or device"
