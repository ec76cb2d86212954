"""Which registrations are in force. Pure.

A file's last accepted version stays in force while a newer one is refused or unreadable. What two
files may not share (a client's service or exporter) belongs to the one that was accepted first; the
other is refused with a reason, and takes over automatically when the first is withdrawn.

The cost of an update depends on what changed, not on the number of files: only files that were read again,
that expired, or that may take over from another are decided again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum

from monitord.errors import Problem, listed
from monitord.targets.model import Identity, Registration


class State(StrEnum):
    """The state of a target file."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was last read: a registration, and the problems that keep it from being in force.

    A lease counts from `lease_from` where that is later than the modification. `revokes` is why
    the version in force must be withdrawn as well; empty if it may stay.
    """

    file: str
    modified_at: float
    registration: Registration | None = None
    problems: tuple[Problem, ...] = ()
    lease_from: float = 0.0
    revokes: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known about one file. `in_force` is what is scraped for it, `reason` why nothing is."""

    seen: Seen
    order: tuple[float, str]
    in_force: Registration | None = None
    accepted_at: float | None = None
    problems: tuple[Problem, ...] = ()
    reason: str = ""

    @property
    def state(self) -> State:
        if self.problems:
            return State.REFUSED
        return State.ACCEPTED if self.in_force else State.WITHDRAWN


@dataclass(frozen=True, slots=True)
class Registry:
    """All files that are known, by name, and what is derived from them.

    `owners` maps what only one file may have to that file. `lease_ends` (Unix seconds) and `jobs` are the
    files with a lease or a Slurm job. `waiting` are files in conflict with another one.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    owners: Mapping[Identity, str] = field(default_factory=dict)
    lease_ends: Mapping[str, float] = field(default_factory=dict)
    jobs: Mapping[str, frozenset[str]] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    ended_jobs: frozenset[str] = frozenset()

    def in_force(self) -> dict[str, Registration]:
        """Return the registrations to scrape, by file."""
        return {file: entry.in_force for file, entry in self.entries.items() if entry.in_force}


def restored(entries: Iterable[Entry]) -> Registry:
    """Return the registry of what an earlier daemon had in force."""
    changes = _Changes(Registry())
    for entry in entries:
        changes.put(entry)
    return changes.registry(frozenset())


def update(
    registry: Registry, seen: Iterable[Seen], gone: Iterable[str], ended_jobs: Set[str], now: float
) -> tuple[Registry, frozenset[str]]:
    """Return the registry after a look at the folder, and the files whose entry changed.

    `seen` are the files that were read again, `gone` those that were deleted, `ended_jobs` the Slurm
    jobs that have left the queue.
    """
    changes = _Changes(registry)
    due = {file for file, end in registry.lease_ends.items() if end <= now}
    for job in registry.ended_jobs ^ ended_jobs:
        due |= registry.jobs.get(job, frozenset())
    for file in gone:
        due |= changes.remove(file)
    for item in seen:
        known = changes.entries.get(item.file)
        order = known.order if known else (item.modified_at, item.file)
        changes.put(replace(known, seen=item) if known else Entry(item, order))
        due.add(item.file)
    changes.decide(due, ended_jobs, now)
    after = changes.registry(frozenset(ended_jobs))
    touched = changes.touched | {item.file for item in seen}
    return after, frozenset(file for file in touched if registry.entries.get(file) != after.entries.get(file))


def leases_from(registry: Registry, now: float) -> Registry:
    """Return the registry with every lease counted from `now` at the earliest.

    For after a time in which no file could be looked at: each may have been touched, or could not be.
    """
    changes = _Changes(registry)
    for file in registry.lease_ends:
        entry = registry.entries[file]
        changes.put(replace(entry, seen=replace(entry.seen, lease_from=now)))
    return changes.registry(registry.ended_jobs)


def next_expiry(registry: Registry, now: float) -> float | None:
    """Return when the next lease runs out (Unix seconds), or None."""
    return min((end for end in registry.lease_ends.values() if end > now), default=None)


def slurm_jobs(registry: Registry, seen: Iterable[Seen] = ()) -> frozenset[str]:
    """Return the Slurm jobs that registrations are bound to, those just read included."""
    new = (item.registration.slurm_job_id for item in seen if item.registration)
    return frozenset((*registry.jobs, *(job for job in new if job)))


class _Changes:
    """A registry being changed: copies of its parts, kept consistent entry by entry."""

    def __init__(self, registry: Registry) -> None:
        self.entries = dict(registry.entries)
        self.touched: set[str] = set()
        self._owners = dict(registry.owners)
        self._lease_ends = dict(registry.lease_ends)
        self._jobs = {job: set(files) for job, files in registry.jobs.items()}
        self._waiting = set(registry.waiting)
        self._moved = False

    def registry(self, ended_jobs: frozenset[str]) -> Registry:
        jobs = {job: frozenset(files) for job, files in self._jobs.items() if files}
        return Registry(
            self.entries, self._owners, self._lease_ends, jobs, frozenset(self._waiting), ended_jobs
        )

    def remove(self, file: str) -> set[str]:
        """Remove a file; return those that may now take over from it."""
        entry = self.entries.pop(file, None)
        if entry is None:
            return set()
        self._unlink(entry)
        self.touched.add(file)
        return set(self._waiting) if entry.in_force else set()

    def put(self, entry: Entry) -> None:
        """Set an entry, and all that follows from it."""
        file = entry.seen.file
        known = self.entries.get(file)
        if known is not None:
            self._unlink(known)
        self.entries[file] = entry
        self._owners.update(dict.fromkeys(_identities(entry.in_force), file))
        held = (entry.in_force, entry.seen.registration if entry.problems else None)
        ends = [end for item in held if item and (end := _lease_end(entry.seen, item)) is not None]
        if ends:
            self._lease_ends[file] = min(ends)
        for job in _jobs_of(entry):
            self._jobs.setdefault(job, set()).add(file)
        if entry.seen.registration and entry.problems and not entry.seen.problems:
            self._waiting.add(file)
        self.touched.add(file)

    def decide(self, due: set[str], ended_jobs: Set[str], now: float) -> None:
        """Decide the files that are due, then those in conflict, until nothing changes any more."""
        while due:
            self._moved = False
            # Files with something in force go first, so that a new file never takes it away.
            known = (self.entries[file] for file in due if file in self.entries)
            for entry in sorted(known, key=lambda entry: (entry.in_force is None, entry.order)):
                self._decide_one(entry, ended_jobs, now)
            due = set(self._waiting) if self._moved else set()

    def _decide_one(self, entry: Entry, ended_jobs: Set[str], now: float) -> None:
        newest, problems = entry.seen.registration, entry.seen.problems
        if newest and not problems and not _why_over(entry, newest, ended_jobs, now):
            problems = listed(_conflicts(newest, self._owners))
        in_force = newest if newest and not problems else entry.in_force
        over = _why_over(entry, in_force, ended_jobs, now) if in_force else entry.reason
        reason = entry.seen.revokes or over
        if reason:
            in_force = None
        accepted_at = None if in_force is None else entry.accepted_at if in_force == entry.in_force else now
        self._moved |= {*_identities(entry.in_force)} != {*_identities(in_force)}
        self.put(replace(entry, in_force=in_force, accepted_at=accepted_at, problems=problems, reason=reason))

    def _unlink(self, entry: Entry) -> None:
        file = entry.seen.file
        for identity in _identities(entry.in_force):
            if self._owners.get(identity) == file:
                del self._owners[identity]
        self._lease_ends.pop(file, None)
        for job in _jobs_of(entry):
            self._jobs[job].discard(file)
        self._waiting.discard(file)


def _jobs_of(entry: Entry) -> set[str]:
    found = (entry.in_force, entry.seen.registration)
    return {item.slurm_job_id for item in found if item and item.slurm_job_id}


def _identities(registration: Registration | None) -> Iterator[Identity]:
    return (endpoint.identity for endpoint in (registration.endpoints if registration else ()))


def _conflicts(newest: Registration, owners: Mapping[Identity, str]) -> Iterator[Problem]:
    for endpoint in newest.endpoints:
        owner = owners.get(endpoint.identity, newest.file)
        if owner != newest.file:
            what = f"{endpoint.labels['job']} of client {newest.client}"
            yield Problem(
                *endpoint.place, "", f"{what} is already registered by {owner}; rename it or remove that file"
            )


def _why_over(entry: Entry, registration: Registration, ended_jobs: Set[str], now: float) -> str:
    end = _lease_end(entry.seen, registration)
    if end is not None and end <= now:
        return "the lease expired: the file was not touched in time"
    if registration.slurm_job_id in ended_jobs:
        return f"Slurm job {registration.slurm_job_id} has left the queue"
    return ""


def _lease_end(seen: Seen, registration: Registration) -> float | None:
    if registration.lease is None:
        return None
    return max(seen.modified_at, seen.lease_from) + registration.lease
