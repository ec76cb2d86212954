"""Who may have the daemon's credentials used, and whether the files that they are in can be.

In a session that is open to a group others may drop target files too: one of theirs could have the
daemon's secrets sent to an endpoint of theirs. So credentials are honoured only in a file that the
daemon's own user, and nobody else, can have written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache

from monitord.dropfolder.files import DroppedFile
from monitord.errors import Problem
from monitord.targets.credentials import MAX_CREDENTIALS, Reference, ScrapeCredentials
from monitord.targets.model import Registration
from monitord.targets.references import problem_of, stamp_of

OTHERS_MAY_WRITE = 0o022


@dataclass(slots=True)
class AccessCheck:
    """The daemon's user, a look at a referenced file, and what was found of such files.

    `interval` (seconds) is how often referenced files are looked at again. `unusable` are those of the
    credentials in use of which a file could not be used when it was last looked at, and `stamp_of`
    tells whether such a file has changed.
    """

    interval: float = 30.0
    problem_of: Callable[[Reference], str] = problem_of
    stamp_of: Callable[[ScrapeCredentials], str] = stamp_of
    uid: int = field(default_factory=os.geteuid)
    unusable: Set[ScrapeCredentials] = frozenset()
    _failing: dict[str, Sequence[Reference]] = field(default_factory=dict)
    _stamps: dict[ScrapeCredentials, str] = field(default_factory=dict)
    _due: float = float("-inf")

    def stamp(self, credentials: ScrapeCredentials) -> str:
        """Return what changes with the files of credentials, as they were when they were last looked at."""
        if credentials not in self._stamps:
            self._stamps[credentials] = self.stamp_of(credentials)
        return self._stamps[credentials]

    def problems(
        self, file: DroppedFile, registration: Registration, taken: Set[ScrapeCredentials]
    ) -> list[Problem]:
        """Return why the credentials of a file cannot be used; `taken` are those in use by now."""
        wanted = credentials_in(registration)
        if not wanted and not registration.references:
            return []
        if distrust := self._distrust(file):
            return [_problem(registration, distrust)]
        if len(taken | wanted) > MAX_CREDENTIALS:
            self._failing[file.name] = ()
            reason = f"more than {MAX_CREDENTIALS} different credentials in one session; share some"
            return [_problem(registration, reason)]
        found = [(reference, self.problem_of(reference)) for reference in registration.references]
        failing = [(reference, problem) for reference, problem in found if problem]
        if failing:
            self._failing[file.name] = [reference for reference, _ in failing]
        return [Problem(*reference.place, reference.field, problem) for reference, problem in failing]

    def forget(self, file: str) -> None:
        """Think no more of a file."""
        self._failing.pop(file, None)

    def to_read_again(
        self, now: float, in_use: Set[ScrapeCredentials], in_force: Callable[[], Mapping[str, Registration]]
    ) -> set[str]:
        """Return the files whose references have come to be usable, or have ceased to; `now` is monotonic."""
        if now < self._due or not (in_use or self._failing):
            return set()
        self._due = now + self.interval
        self._stamps = {credentials: self.stamp_of(credentials) for credentials in in_use}
        fails = cache(lambda path, kind: bool(self.problem_of(Reference(path, kind))))
        before, self.unusable = (
            self.unusable,
            frozenset(
                credentials
                for credentials in in_use
                if any(fails(item.path, item.kind) for item in credentials.references())
            ),
        )
        files = {
            file
            for file, references in self._failing.items()
            if not any(fails(item.path, item.kind) for item in references)
        }
        if ceased := self.unusable - before:
            files |= {file for file, item in in_force().items() if credentials_in(item) & ceased}
        return files

    def _distrust(self, file: DroppedFile) -> str:
        if file.uid != self.uid:
            return (
                "credentials are used only for files of the daemon's own user, and this one belongs to "
                f"uid {file.uid}; have uid {self.uid} write it"
            )
        if file.mode & OTHERS_MAY_WRITE:
            return "others may write this file and have credentials sent elsewhere; run: chmod go-w on it"
        return ""


def credentials_in(registration: Registration) -> Set[ScrapeCredentials]:
    """Return the credentials that a registration is scraped with."""
    return {endpoint.credentials for endpoint in registration.endpoints if endpoint.credentials}


def _problem(registration: Registration, reason: str) -> Problem:
    """Return a problem at the first place where the file says anything about access."""
    if registration.references:
        first = registration.references[0]
        return Problem(*first.place, first.field, reason)
    place = next(endpoint.place for endpoint in registration.endpoints if endpoint.credentials)
    return Problem(*place, "", reason)
