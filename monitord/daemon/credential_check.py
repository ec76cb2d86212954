"""Checking who may have the daemon's credentials used, and whether the credentials' files are usable.

In a session that is open to a group, other users can drop target files too, and could have the daemon's
secrets sent to their endpoints. So credentials are used only for a file that only the daemon's user can have
written.
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
    """Checks credentials and the files that they refer to.

    Referenced files are checked again every `interval` seconds. `unusable` are the credentials in use with a
    file that could not be used at the last check. `stamp_of` returns a text that changes with the files.
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
        """Return a text that changes with the files of credentials, as of the last check."""
        if credentials not in self._stamps:
            self._stamps[credentials] = self.stamp_of(credentials)
        return self._stamps[credentials]

    def problems(
        self, file: DroppedFile, registration: Registration, taken: Set[ScrapeCredentials]
    ) -> list[Problem]:
        """Return why the credentials of a target file cannot be used; `taken` are those in use already."""
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
        """Drop what is known of a target file."""
        self._failing.pop(file, None)

    def to_read_again(
        self, now: float, in_use: Set[ScrapeCredentials], in_force: Callable[[], Mapping[str, Registration]]
    ) -> set[str]:
        """Return the target files whose references became usable or unusable; `now` is monotonic."""
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
    """Return a problem at the first place of the target file that mentions credentials."""
    if registration.references:
        first = registration.references[0]
        return Problem(*first.place, first.field, reason)
    place = next(endpoint.place for endpoint in registration.endpoints if endpoint.credentials)
    return Problem(*place, "", reason)
