"""From files as they were read to what is known of them: parsed, and admitted or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from monitord.daemon.addresses import AddressCheck, Verdicts, denial
from monitord.daemon.credential_check import AccessCheck, credentials_in
from monitord.dropfolder.files import DroppedFile
from monitord.errors import InvalidFileError, Problem, listed
from monitord.system.timestamps import nearest_moment
from monitord.targets.credentials import ScrapeCredentials
from monitord.targets.model import Registration
from monitord.targets.parse import parse
from monitord.targets.registry import Entry, Seen
from monitord.targets.resolve import Place


@dataclass(slots=True)
class TargetReader:
    """Reads a session's target files. What a file was refused for may change without the file."""

    session: str
    place: Place
    addresses: AddressCheck
    access: AccessCheck

    def read(
        self, files: Iterable[DroppedFile], entries: Mapping[str, Entry], in_use: Set[ScrapeCredentials]
    ) -> list[Seen]:
        """Return what is known of files now; `entries` and `in_use` are what is in force before."""
        parsed = [(file, self._parse(file)) for file in files]
        verdicts = self.addresses.verdicts(seen.registration for _, seen in parsed if seen.registration)
        taken, read = set(in_use), []
        for file, seen in parsed:
            self.forget([file.name])
            if seen.registration:
                refused = self.access.problems(file, seen.registration, taken)
                taken |= set() if refused else credentials_in(seen.registration)
                read.append(self._admitted(seen, seen.registration, refused, verdicts, entries))
            else:
                read.append(seen)
        return read

    def readmitted(self, entries: Sequence[Entry]) -> Iterator[Entry]:
        """Yield an earlier run's entries as they are by the rules of this one."""
        verdicts = self.addresses.verdicts(entry.in_force for entry in entries if entry.in_force)
        for entry in entries:
            if entry.in_force and (reason := denial(entry.in_force, verdicts)):
                problems = (Problem(1, 1, "", reason),)
                yield replace(entry, in_force=None, accepted_at=None, problems=problems, reason=reason)
            else:
                yield entry

    def forget(self, files: Iterable[str]) -> None:
        """Think no more of files."""
        for file in files:
            self.addresses.forget(file)
            self.access.forget(file)

    def to_read_again(
        self, now: float, in_use: Set[ScrapeCredentials], in_force: Callable[[], Mapping[str, Registration]]
    ) -> set[str]:
        """Return the files of which something else may be known by now; `now` is monotonic."""
        return self.addresses.to_read_again(now) | self.access.to_read_again(now, in_use, in_force)

    def _parse(self, file: DroppedFile) -> Seen:
        modified_at = nearest_moment(file.modified_at)
        problem = file.problem or ("" if file.content else "is empty")
        if problem:
            return Seen(file.name, modified_at, None, (Problem(1, 1, "", problem),))
        try:
            return Seen(file.name, modified_at, parse(file.content, file.name, self.session, self.place))
        except InvalidFileError as error:
            return Seen(file.name, modified_at, None, error.problems)

    def _admitted(
        self,
        seen: Seen,
        registration: Registration,
        refused: Sequence[Problem],
        verdicts: Verdicts,
        entries: Mapping[str, Entry],
    ) -> Seen:
        problems = listed([*self.addresses.problems(registration, verdicts), *refused])
        if not problems:
            return seen
        known = entries.get(seen.file)
        # Of the version that is in force already, more may be known by now.
        same = known and known.in_force and known.in_force.digest == registration.digest
        revokes = denial(registration, verdicts) if same else ""
        return replace(seen, problems=problems, revokes=revokes)
