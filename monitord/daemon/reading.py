"""Reading target files: they are parsed, and admitted or refused."""

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
    """Reads a session's target files. A refused file may become acceptable without a change."""

    session: str
    place: Place
    addresses: AddressCheck
    access: AccessCheck

    def read(
        self, files: Iterable[DroppedFile], entries: Mapping[str, Entry], in_use: Set[ScrapeCredentials]
    ) -> list[Seen]:
        """Parse and check files; `entries` and `in_use` are in force until now."""
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
        """Yield an earlier run's entries as the rules of this run admit them."""
        verdicts = self.addresses.verdicts(entry.in_force for entry in entries if entry.in_force)
        for entry in entries:
            if entry.in_force and (reason := denial(entry.in_force, verdicts)):
                problems = (Problem(1, 1, "", reason),)
                yield replace(entry, in_force=None, accepted_at=None, problems=problems, reason=reason)
            else:
                yield entry

    def forget(self, files: Iterable[str]) -> None:
        """Drop what is known of files."""
        for file in files:
            self.addresses.forget(file)
            self.access.forget(file)

    def to_read_again(
        self, now: float, in_use: Set[ScrapeCredentials], in_force: Callable[[], Mapping[str, Registration]]
    ) -> set[str]:
        """Return the files whose result may be another by now; `now` is monotonic."""
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
        # The version in force may be refused by now, since more is known of its hosts.
        same = known and known.in_force and known.in_force.digest == registration.digest
        revokes = denial(registration, verdicts) if same else ""
        return replace(seen, problems=problems, revokes=revokes)
