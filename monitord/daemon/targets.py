"""Making file_sd say what the drop folder says: look, parse, decide, plan, apply, tell.

Every call does all of it from what is there; it does not matter what woke it, or whether the call
before it failed half-way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from structlog.typing import FilteringBoundLogger

from monitord.atomic import publish, read_json, to_json
from monitord.clock import Clock, nearest_moment, to_iso
from monitord.errors import InvalidFileError, Problem
from monitord.file_sd.apply import apply, read_actual
from monitord.file_sd.plan import plan
from monitord.file_sd.render import render
from monitord.session import Session, escape_file_name
from monitord.targets.dropdir import DropFolder, DroppedFile
from monitord.targets.feedback import Health, HealthKey, deleted_status, restore, target_status
from monitord.targets.parse import is_target_file, parse
from monitord.targets.registry import Entry, Registry, Seen, State, next_expiry, slurm_jobs, update
from monitord.targets.resolve import Place

EndedJobs = Callable[[frozenset[str]], frozenset[str]]


class TargetReconciler:
    """The drop folder `targets/`, what is in force of it, and what was published about it."""

    def __init__(
        self,
        session: Session,
        place: Place,
        scrape_interval: float,
        clock: Clock,
        log: FilteringBoundLogger,
        ended_jobs: EndedJobs,
        written: Callable[[], None],
    ) -> None:
        self._session = session
        self._place = place
        self._scrape_interval = scrape_interval
        self._clock = clock
        self._log = log
        self._ended_jobs = ended_jobs
        self._written = written
        self._folder = DropFolder(session.targets, is_target_file)
        self._actual = read_actual(session.file_sd)
        self._published: dict[str, dict[str, Any]] = {}
        self._healths: Mapping[HealthKey, Health] = {}
        self._failure = ""
        self._untold: set[str] = set()
        self.registry = Registry(self._restored())

    def reconcile(self) -> float | None:
        """Do one round; return in how many seconds the next is due besides the poll, or None."""
        now = self._clock.now()
        look = self._folder.look(self._clock.monotonic(), now)
        self._note_failure(look.failure)
        before = self.registry
        seen = [self._read(file) for file in look.changed]
        ended = self._ended_jobs(slurm_jobs(before, seen))
        self.registry = update(before, seen, look.gone, ended, now)
        self._log_changes(before.entries, self.registry.entries, look.gone)
        self._untold |= set(look.gone)
        self._apply()
        self._tell()
        due = [look.look_again] if look.look_again is not None else []
        expiry = next_expiry(self.registry, now)
        due += [expiry - now] if expiry is not None else []
        return min(due, default=None)

    def set_healths(self, healths: Mapping[HealthKey, Health]) -> None:
        """Publish what Prometheus says of the targets."""
        self._healths = healths
        self._tell()

    def _restored(self) -> dict[str, Entry]:
        now, entries = self._clock.now(), {}
        for path in self._session.target_statuses.glob("*.json"):
            status: Any = read_json(path)
            try:
                entry = restore(status, now)
                file = status["file"]
            except (KeyError, TypeError, ValueError):
                self._log.warning(
                    "target_status.ignored", path=str(path), reason="not written by this version"
                )
                continue
            self._published[file] = {key: value for key, value in status.items() if key != "updated_at"}
            if entry is not None:
                entries[file] = entry
            if status["state"] != State.WITHDRAWN or entry is not None:
                self._folder.expect(file)  # it may have been deleted while no daemon ran
        return entries

    def _read(self, file: DroppedFile) -> Seen:
        modified_at = nearest_moment(file.modified_at)
        if file.problem:
            return Seen(file.name, modified_at, None, (Problem(1, 1, "", file.problem),))
        if not file.content:
            return Seen(file.name, modified_at, None, (Problem(1, 1, "", "is empty"),))
        try:
            registration = parse(file.content, file.name, self._session.name, self._place)
        except InvalidFileError as error:
            return Seen(file.name, modified_at, None, error.problems)
        return Seen(file.name, modified_at, registration)

    def _apply(self) -> None:
        desired = {
            f"{escape_file_name(file)}.json": render(registration, self._scrape_interval)
            for file, registration in self.registry.in_force().items()
        }
        difference = plan(desired, self._actual)
        if not difference:
            return
        apply(difference, self._session.file_sd)
        self._actual = desired
        self._log.info("file_sd.written", written=len(difference.writes), removed=len(difference.removals))
        self._written()

    def _tell(self) -> None:
        """Publish what became of each file; a deletion is remembered until it could be told."""
        for file in sorted(self._untold - self.registry.entries.keys()):
            self._publish(file, deleted_status(file))
        self._untold.clear()
        for file, entry in self.registry.entries.items():
            self._publish(file, target_status(entry, self._healths))

    def _publish(self, file: str, status: dict[str, Any]) -> None:
        if _without_times(status) == _without_times(self._published.get(file)):
            return
        content = to_json({**status, "updated_at": to_iso(self._clock.now())})
        publish(self._session.target_status(file), content, self._session.file_mode)
        self._published[file] = status

    def _note_failure(self, failure: str) -> None:
        if failure and failure != self._failure:
            self._log.error("targets.frozen", reason=failure, consequence="all targets stay as they are")
        self._failure = failure

    def _log_changes(
        self, before: Mapping[str, Entry], after: Mapping[str, Entry], gone: Iterable[str]
    ) -> None:
        for file in gone:
            self._log.info("target_file.withdrawn", file=file, reason="the file was deleted")
        for file, entry in after.items():
            known = before.get(file)
            if known == entry:
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


def _without_times(status: Mapping[str, Any] | None) -> Any:
    """Leave out when each endpoint was last scraped: that alone is no reason to write a file."""
    if status is None:
        return None
    endpoints = [{**endpoint, "last_scrape": None} for endpoint in status["endpoints"]]
    return {**status, "endpoints": endpoints}
