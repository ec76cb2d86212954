"""Reconciling file_sd with the drop folder: look, parse, decide, apply; then publish statuses.

It does not matter what woke a round, or whether the one before it failed half-way: what could not be
written stays due. A round costs what has changed, not what there is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from types import MappingProxyType
from typing import Any

from structlog.typing import FilteringBoundLogger

from monitord.daemon.expiry import AT_ONCE, Expiry
from monitord.daemon.parts import FolderPart
from monitord.daemon.reading import TargetReader
from monitord.dropfolder.folder import DropFolder
from monitord.file_sd.shards import Shards
from monitord.prometheus.config.run_folder import RunFolder
from monitord.session.held import HeldSession
from monitord.session.settings import Settings
from monitord.system.atomic import read_json, sync_folder, to_json
from monitord.system.clock import Clock
from monitord.system.listing import paths_in
from monitord.system.timestamps import from_iso, to_iso
from monitord.targets.credentials import ScrapeCredentials
from monitord.targets.feedback import deleted_status, restore, target_status
from monitord.targets.file_names import is_target_file
from monitord.targets.registry import (
    Entry,
    State,
    leases_from,
    next_expiry,
    restored,
    slurm_jobs,
    update,
)
from monitord.targets.scrape_health import HealthKey, ScrapeHealth, health_key

EndedJobs = Callable[[frozenset[str]], frozenset[str]]

PUBLISHING_SECONDS = 0.05

STOOD_STILL_SECONDS = 15.0
"""Rounds that are further apart were delayed, by a file system that hangs say; leases are then extended."""


class TargetReconciler:
    """The drop folder `targets/`, what is in force of it, and what was published about it.

    `wake` is called with HEALTH when what is scraped has changed, with TARGET_STATUSES when there are some to
    publish, and with CONFIG when `credentials` has changed: those with which targets are scraped, each of
    which needs a scrape job in prometheus.yml, and a stamp that changes with their files.
    """

    credentials: Mapping[ScrapeCredentials, str] = MappingProxyType({})

    def __init__(  # noqa: PLR0913, PLR0917  # a round has as many ends
        self,
        session: HeldSession,
        reader: TargetReader,
        settings: Settings,
        clock: Clock,
        log: FilteringBoundLogger,
        ended_jobs: EndedJobs,
        wake: Callable[[FolderPart], None],
        run_folder: RunFolder,
    ) -> None:
        self._session = session
        self._reader = reader
        self._clock = clock
        self._log = log
        self._ended_jobs = ended_jobs
        self._wake = wake
        self._run_folder = run_folder
        self._scanned = float("-inf")
        self._round_at = clock.monotonic()
        self.folder = DropFolder(
            session.targets,
            is_target_file,
            poll_interval=settings.watch.poll_interval,
            full_scan_interval=settings.watch.full_scan_interval,
        )
        self._published: dict[str, int] = {}
        self._pending: dict[str, None] = {}
        self._healths: Mapping[HealthKey, ScrapeHealth] = {}
        self._failure = ""
        self._gone = Expiry(settings.status.keep)
        self.registry = restored(self._restored())
        run_folder.make()
        self._shards = Shards(run_folder.file_sd, settings.scrape_interval, session.file_sd, session.publish)
        for registration in self.registry.in_force().values():
            self._shards.put(registration.file, registration)
        self._note_credentials()

    def apply_settings(self, settings: Settings) -> None:
        """Use other intervals from the next round on."""
        self.folder.poll_interval = settings.watch.poll_interval
        self.folder.full_scan_interval = settings.watch.full_scan_interval
        self._gone.keep = settings.status.keep
        if self._shards.scrape_interval != settings.scrape_interval:
            self._shards.scrape_interval = settings.scrape_interval
            for file, registration in self.registry.in_force().items():
                self._shards.put(file, registration)

    def reconcile(self) -> float | None:
        """Do one round; return in how many seconds the next is due besides the poll, or None."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        if monotonic - self._round_at > STOOD_STILL_SECONDS + 2 * self.folder.poll_interval:
            self.registry = leases_from(self.registry, now)
        self._round_at = monotonic
        in_use = self._shards.credentials
        for file in self._reader.to_read_again(monotonic, in_use, self.registry.in_force):
            self.folder.read_again(file)
        look = self.folder.look(monotonic, now)
        self._note_failure(look.failure)
        before = self.registry.entries
        seen = self._reader.read(look.changed, before, in_use)
        self._reader.forget(look.gone)
        ended = self._ended_jobs(slurm_jobs(self.registry, seen))
        registry, changed = update(self.registry, seen, look.gone, ended, now)
        for file in changed:
            entry = registry.entries.get(file)
            self._shards.put(file, entry.in_force if entry else None)
        self._pending.update(dict.fromkeys((*sorted(changed), *look.gone)))
        # In force only now: a round that fails before finds the same changes again. What follows writes, and
        # what could not be written stays due.
        self.registry = registry
        self.folder.seen()
        self._log_changes(before, changed, look.gone)
        self._note_credentials()
        self._apply(monotonic)
        self._request_publishing()
        if not look.failure:
            self._remove_expired(now, look.unsettled)
        expiry = next_expiry(self.registry, now)
        lease = None if expiry is None else expiry - now
        due = (look.look_again, lease, self._reader.addresses.next_due(monotonic))
        return min((seconds for seconds in due if seconds is not None), default=None)

    def set_healths(self, healths: Mapping[HealthKey, ScrapeHealth]) -> None:
        """Take what Prometheus reports of the targets; statuses that change by it become pending."""
        before, self._healths = self._healths, healths
        if {key: _essence(health) for key, health in before.items()} != {
            key: _essence(health) for key, health in healths.items()
        }:
            self._pending.update(dict.fromkeys(self._with_other_health(before, healths)))
        self._request_publishing()

    def _request_publishing(self) -> None:
        if self._pending or not self._shards.are_copied:
            self._wake(FolderPart.TARGET_STATUSES)

    def _with_other_health(
        self, before: Mapping[HealthKey, ScrapeHealth], after: Mapping[HealthKey, ScrapeHealth]
    ) -> Iterator[str]:
        for file, registration in self.registry.in_force().items():
            keys = (health_key(endpoint.labels) for endpoint in registration.endpoints)
            if any(_essence(before.get(key)) != _essence(after.get(key)) for key in keys):
                yield file

    def _restored(self) -> Iterator[Entry]:
        entries = list(self._remembered())
        for before, entry in zip(entries, self._reader.readmitted(entries), strict=True):
            if before.in_force and not entry.in_force:
                file = entry.seen.file
                self._pending[file] = None
                self._log.warning("target_file.withdrawn", file=file, reason=entry.reason)
            yield entry

    def _remembered(self) -> Iterator[Entry]:
        now = self._clock.now()
        for path in paths_in(self._session.target_statuses, suffix=".json"):
            status: Any = read_json(path)
            try:
                entry = restore(status, now)
                file, updated_at = status["file"], from_iso(status.pop("updated_at"))
            except (KeyError, TypeError, ValueError):
                self._log.warning(
                    "target_status.ignored", path=str(path), reason="not written by this version"
                )
                continue
            self._published[file] = _essence_of_status(status)
            if status["state"] != State.WITHDRAWN or entry is not None:
                self.folder.expect(file)  # it may have been deleted while no daemon ran
            else:
                self._gone.note(file, updated_at)
            if entry is not None:
                yield entry

    def _note_credentials(self) -> None:
        usable = self._shards.credentials - self._reader.access.unusable
        credentials = {item: self._reader.access.stamp(item) for item in usable}
        if credentials != self.credentials:
            self.credentials = credentials
            self._wake(FolderPart.CONFIG)

    def _apply(self, monotonic: float) -> None:
        if monotonic - self._scanned >= self.folder.full_scan_interval:
            self._scanned = monotonic
            self._run_folder.make()
            self._shards.notice_missing()
        written = self._shards.write()
        if written:
            self._log.info("file_sd.written", files=written, targets=self._shards.targets)
            self._wake(FolderPart.HEALTH)

    def publish_statuses(self) -> bool:
        """Publish the statuses that changed; return whether more are pending.

        The copies of file_sd come first: what a status says is in force stands there, too. Takes
        PUBLISHING_SECONDS at the most: what is scraped never waits long for what is published.
        """
        self._shards.write_copies()
        deadline = self._clock.monotonic() + PUBLISHING_SECONDS
        has_published = False
        while self._pending and self._clock.monotonic() < deadline:
            file = next(iter(self._pending))
            entry = self.registry.entries.get(file)
            has_published |= self._publish(
                file, target_status(entry, self._healths) if entry else deleted_status(file)
            )
            del self._pending[file]
            if entry:
                self._gone.forget(file)
            else:
                self._gone.note(file, self._clock.now())
        if has_published:
            sync_folder(self._session.target_statuses)
        return bool(self._pending)

    def _publish(self, file: str, status: dict[str, Any]) -> bool:
        essence = _essence_of_status(status)
        if essence == self._published.get(file):
            return False
        content = to_json({**status, "updated_at": to_iso(self._clock.now())})
        self._session.publish(self._session.target_status(file), content, durable_name=False)
        self._published[file] = essence
        return True

    def _remove_expired(self, now: float, unsettled: Set[str]) -> None:
        """Remove statuses of files that have long been deleted; nothing is in force of any of them."""
        for file in self._gone.due(now)[:AT_ONCE]:
            if file not in self.registry.entries and file not in self._pending and file not in unsettled:
                self._session.target_status(file).unlink(missing_ok=True)
                self._published.pop(file, None)
            self._gone.forget(file)

    def _note_failure(self, failure: str) -> None:
        if failure and failure != self._failure:
            self._log.error("targets.frozen", reason=failure, consequence="all targets stay as they are")
        self._failure = failure

    def _log_changes(self, before: Mapping[str, Entry], changed: Iterable[str], gone: Iterable[str]) -> None:
        for file in gone:
            self._log.info("target_file.withdrawn", file=file, reason="the file was deleted")
        for file in sorted(changed):
            known, entry = before.get(file), self.registry.entries.get(file)
            if entry is None:
                continue
            if entry.state is State.REFUSED and (known is None or known.problems != entry.problems):
                errors = [str(problem) for problem in entry.problems]
                in_force = entry.in_force is not None
                self._log.warning(
                    "target_file.refused", file=file, errors=errors, earlier_version_in_force=in_force
                )
            elif entry.state is State.ACCEPTED and (known is None or known.in_force != entry.in_force):
                assert entry.in_force is not None  # noqa: S101  # that is what accepted means
                endpoints = len(entry.in_force.endpoints)
                self._log.info(
                    "target_file.accepted", file=file, client=entry.in_force.client, endpoints=endpoints
                )
            elif entry.state is State.WITHDRAWN and known is not None and known.in_force:
                self._log.info("target_file.withdrawn", file=file, reason=entry.reason)


def _essence(health: ScrapeHealth | None) -> tuple[str, str]:
    """Leave out when a target was last scraped: that alone is no reason to write a file."""
    health = health or ScrapeHealth()
    return health.health, health.last_error


def _essence_of_status(status: Mapping[str, Any]) -> int:
    """Return a number that changes when the status does; two different ones are equal once in 2^64."""
    endpoints = [{**endpoint, "last_scrape": None} for endpoint in status["endpoints"]]
    digest = hashlib.blake2b(to_json({**status, "endpoints": endpoints}), digest_size=8).digest()
    return int.from_bytes(digest)
