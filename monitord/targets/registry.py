"""Which registrations are in force. Pure: values in, values out, nothing forgotten but on purpose.

A file's last accepted version stays in force while a newer one is refused or unreadable. What two
files may not share (a client's service or exporter) belongs to the one that was accepted first; the
other is told, and takes over by itself when the first lets go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum

from monitord.errors import Problem
from monitord.targets.model import Identity, Registration


class State(StrEnum):
    """What became of a target file."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was last read: a registration, or the problems that keep it from being one.

    A lease counts from `lease_from` where that is later than the modification.
    """

    file: str
    modified_at: float
    registration: Registration | None = None
    problems: tuple[Problem, ...] = ()
    lease_from: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one file. `in_force` is what is scraped for it, `reason` why nothing is."""

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
    """All files that are known, by name."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def in_force(self) -> dict[str, Registration]:
        """Return the registrations to scrape, by file."""
        return {file: entry.in_force for file, entry in self.entries.items() if entry.in_force}


def update(
    registry: Registry, seen: Iterable[Seen], gone: Iterable[str], ended_jobs: Set[str], now: float
) -> Registry:
    """Return the registry after a look at the folder: files read anew, and files that were deleted."""
    entries = dict(registry.entries)
    for file in gone:
        entries.pop(file, None)
    for item in seen:
        known = entries.get(item.file)
        order = known.order if known else (item.modified_at, item.file)
        entries[item.file] = replace(known, seen=item) if known else Entry(item, order)
    return Registry(_decide(entries, ended_jobs, now))


def next_expiry(registry: Registry, now: float) -> float | None:
    """Return when the next lease runs out (Unix seconds), or None."""
    ends = (_lease_end(entry.seen, entry.in_force) for entry in registry.entries.values() if entry.in_force)
    return min((end for end in ends if end is not None and end > now), default=None)


def slurm_jobs(registry: Registry, seen: Iterable[Seen] = ()) -> frozenset[str]:
    """Return the Slurm jobs that registrations are bound to, those just read included."""
    entries = registry.entries.values()
    found = (*(entry.in_force for entry in entries), *(entry.seen.registration for entry in entries),
             *(item.registration for item in seen))  # fmt: skip
    return frozenset(item.slurm_job_id for item in found if item and item.slurm_job_id)


def _decide(entries: dict[str, Entry], ended_jobs: Set[str], now: float) -> dict[str, Entry]:
    # What is in force is taken, so that neither a newcomer nor a newer version ever takes it away.
    owners = {identity: file for file, entry in entries.items() for identity in _identities(entry.in_force)}
    decided: dict[str, Entry] = {}
    waiting = sorted(entries.values(), key=lambda entry: (entry.in_force is None, entry.order))
    while waiting:
        # A file that lets go of something may free it for one that was decided before it.
        now_decided = [_decide_one(entry, owners, ended_jobs, now) for entry in waiting]
        decided |= {entry.seen.file: entry for entry in now_decided}
        conflicted = [entry for entry in now_decided if entry.seen.registration and entry.problems]
        waiting = conflicted if len(conflicted) < len(waiting) else []
    return {file: decided[file] for file in sorted(decided)}


def _decide_one(entry: Entry, owners: dict[Identity, str], ended_jobs: Set[str], now: float) -> Entry:
    file, newest = entry.seen.file, entry.seen.registration
    problems = entry.seen.problems
    if newest and not _why_over(entry, newest, ended_jobs, now):
        problems = tuple(_conflicts(newest, owners))
    in_force = newest if newest and not problems else entry.in_force
    reason = _why_over(entry, in_force, ended_jobs, now) if in_force else entry.reason
    if reason:
        in_force = None
    for identity in _identities(entry.in_force):
        if owners.get(identity) == file:
            del owners[identity]
    owners.update(dict.fromkeys(_identities(in_force), file))
    accepted_at = None if in_force is None else entry.accepted_at if in_force == entry.in_force else now
    return replace(entry, in_force=in_force, accepted_at=accepted_at, problems=problems, reason=reason)


def _identities(registration: Registration | None) -> Iterator[Identity]:
    return (endpoint.identity for endpoint in (registration.endpoints if registration else ()))


def _conflicts(newest: Registration, owners: Mapping[Identity, str]) -> Iterator[Problem]:
    for endpoint in newest.endpoints:
        owner = owners.get(endpoint.identity, newest.file)
        if owner != newest.file:
            what = f"{endpoint.labels['job']} of client {newest.client}"
            yield Problem(
                *endpoint.place, "", f"{what} is registered by {owner} already; rename it or remove that file"
            )


def _why_over(entry: Entry, registration: Registration, ended_jobs: Set[str], now: float) -> str:
    end = _lease_end(entry.seen, registration)
    if end is not None and end <= now:
        return "the lease ran out: the file was not touched in time"
    if registration.slurm_job_id in ended_jobs:
        return f"Slurm job {registration.slurm_job_id} has left the queue"
    return ""


def _lease_end(seen: Seen, registration: Registration) -> float | None:
    if registration.lease is None:
        return None
    return max(seen.modified_at, seen.lease_from) + registration.lease
