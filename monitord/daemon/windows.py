"""Reconciling windows with their markers: look, decide, settle, collect; then publish statuses.

Collections run on threads, so that targets continue to be reconciled; everything else here runs on the loop
that works on the session folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import InitVar, dataclass, field
from typing import Any

from structlog.typing import FilteringBoundLogger

from monitord.artifacts.store import ASIDE_PREFIX, read_manifest
from monitord.daemon.collection_threads import Collect, Collected, Failed, Later
from monitord.daemon.expiry import AT_ONCE
from monitord.daemon.window_markers import WindowMarkers
from monitord.daemon.window_statuses import WindowStatuses
from monitord.daemon.windows_under_way import Settled, WindowsUnderWay
from monitord.dropfolder.folder import DropFolder
from monitord.session.held import HeldSession
from monitord.session.settings import Settings
from monitord.system.clock import Clock
from monitord.system.listing import names_in
from monitord.system.timestamps import from_iso
from monitord.windows.lifecycle import (
    TERMINAL,
    Answered,
    Decision,
    Due,
    Ended,
    Markers,
    Open,
    Outcome,
    Published,
    State,
    decide,
    truncate,
)
from monitord.windows.markers import is_marker, split_name
from monitord.windows.model import Window

SWEEP_SECONDS = 600.0
SETTLING_SHARE = 1 / 3


@dataclass(slots=True)
class WindowReconciler:
    """The drop folder `windows/`, the windows that are under way, and their results.

    `collected` is called after each collected window. `uid` is the daemon's own user, whose markers count
    for every window.
    """

    session: HeldSession
    settings: Settings
    clock: Clock
    log: FilteringBoundLogger
    settled: InitVar[Settled]
    collect: InitVar[Collect]
    wake: InitVar[Callable[[], None]]
    collected: Callable[[], None] = lambda: None
    uid: int = field(default_factory=os.geteuid)
    folder: DropFolder = field(init=False)
    _markers: WindowMarkers = field(init=False)
    _outcomes: dict[str, Outcome] = field(default_factory=dict)
    _truncated_at: dict[str, float] = field(default_factory=dict)
    _swept: float = float("-inf")
    _withdrawn: set[str] = field(default_factory=set)
    _unreadable: dict[str, OSError] = field(default_factory=dict)
    _statuses: WindowStatuses = field(init=False)
    _under_way: WindowsUnderWay = field(init=False)

    def __post_init__(self, settled: Settled, collect: Collect, wake: Callable[[], None]) -> None:
        self.folder = DropFolder(
            self.session.windows,
            is_marker,
            empty_is_content=True,
            poll_interval=self.settings.watch.poll_interval,
            full_scan_interval=self.settings.watch.full_scan_interval,
        )
        self._markers = WindowMarkers(self.session, self.uid)
        self._statuses = WindowStatuses(self.session, self.clock, self.settings.status.keep)
        timeout = self.settings.windows.settle_timeout
        self._under_way = WindowsUnderWay(self.log, self._statuses, settled, collect, timeout, wake)
        for window_id, status in self._statuses.restore().items():
            self._restore(window_id, status)

    def apply_settings(self, settings: Settings) -> None:
        """Use other settings from the next round on; what is being collected keeps those it began with."""
        self.settings = settings
        self._under_way.settle_seconds = settings.windows.settle_timeout
        self._statuses.keep_for(settings.status.keep)
        self.folder.poll_interval = settings.watch.poll_interval
        self.folder.full_scan_interval = settings.watch.full_scan_interval

    def collect_with(self, collect: Collect) -> None:
        """Have collections that begin from now on done by another function."""
        self._under_way.collect = collect

    def reconcile(self) -> float | None:
        """Do one round; return in how many seconds the next is due besides the poll, or None."""
        now, monotonic = self.clock.now(), self.clock.monotonic()
        look = self.folder.look(monotonic, now)
        self._markers.add(look.changed)
        self._withdrawn |= self._markers.remove(look.gone)
        self.folder.seen()  # what follows depends on the markers alone, and can be repeated in the next round
        due = [look.look_again] if look.look_again is not None else []
        self._unreadable.clear()
        for window_id, markers, decision in self._decisions(now, look.unsettled):
            with self._isolating_errors(window_id):
                self._follow(window_id, markers, decision, monotonic)
            if isinstance(decision, Open) and decision.until is not None:
                due.append(decision.until - now)
        for window_id in tuple(self._withdrawn):
            with self._isolating_errors(window_id):
                self._withdraw(window_id)
                self._withdrawn.discard(window_id)
        due += [self._advance(window_id, monotonic) for window_id in self._under_way]
        self._statuses.publish()
        if not look.failure and monotonic - self._swept >= SWEEP_SECONDS:
            self._sweep(now, monotonic, look.unsettled)
        if self._unreadable:  # nothing is known of these windows: the next round looks at them again
            raise next(iter(self._unreadable.values()))
        return max(min(due), 0.0) if due else None

    def _sweep(self, now: float, monotonic: float, unsettled: Set[str]) -> None:
        """Remove the statuses of windows that ended long ago and have neither markers nor artifacts."""
        self._swept = monotonic
        written = {marked[0] for marked in map(split_name, unsettled) if marked}
        over = [id_ for id_ in self._statuses.ended(now) if id_ not in self._markers and id_ not in written]
        artifacts = set(names_in(self.session.artifacts)) if over else set()
        gone = [id_ for id_ in over if not {id_, f"{ASIDE_PREFIX}{id_}"} & artifacts]
        gone = [id_ for id_ in gone if id_ not in self._under_way]
        for window_id in gone[:AT_ONCE]:
            self._statuses.remove(window_id)
            self._outcomes.pop(window_id, None)
            self._markers.forget_published(window_id)

    @contextmanager
    def _isolating_errors(self, window_id: str) -> Iterator[None]:
        """Keep an error in reading one window's artifacts from affecting other windows."""
        try:
            yield
        except OSError as error:
            self._unreadable[window_id] = error

    def _decisions(
        self, now: float, unsettled: Set[str] = frozenset()
    ) -> Iterator[tuple[str, Markers, Decision]]:
        """Decide on each window by the markers that count and by what was published of it."""
        for window_id in self._markers.windows:
            if self._markers.is_being_written(window_id, unsettled):
                continue  # its markers are not complete yet
            with self._isolating_errors(window_id):
                markers, published = self._counted(window_id), self._markers.published(window_id)
                yield window_id, markers, decide(markers, self._outcomes.get(window_id), now, published)

    def _counted(self, window_id: str) -> Markers:
        """Return the markers of a window that count, and report the others."""
        found = self._markers.counted(window_id)
        for sentence in self._statuses.ignore(window_id, found.ignored):
            self.log.warning("window.marker_ignored", window=window_id, reason=sentence)
        return found.markers

    def shorten_deadline(self, seconds: float) -> None:
        """Collect all windows within this time: at most a part of it is for their last scrapes."""
        self._under_way.settle_seconds = min(self.settings.windows.settle_timeout, seconds * SETTLING_SHARE)

    def close_open(self) -> None:
        """Close every open window now, as truncated, and start to settle and collect it."""
        now = self.clock.now()
        for window_id, markers, decision in self._decisions(now):
            if window_id in self._under_way or not isinstance(decision, Open):
                continue
            window = truncate(markers, now)
            if window is not None:
                self._under_way.begin(window, self.clock.monotonic())
        self._statuses.publish()

    def advance(self) -> bool:
        """Continue with the windows under way, without new ones; return whether any is left."""
        monotonic = self.clock.monotonic()
        for window_id in self._under_way:
            self._advance(window_id, monotonic)
        self._statuses.publish()
        return len(self._under_way) > 0

    def stop(self) -> None:
        """Begin no more collections. Those that were not done are due again when the session goes on.

        Any thread may call this: the one that works on windows may hang.
        """
        self._under_way.stop()

    def _restore(self, window_id: str, status: Mapping[str, Any]) -> None:
        markers = status.get("markers")
        state = status.get("state")
        if state in (State.SETTLING, State.COLLECTING) and status.get("truncated"):
            # An earlier daemon closed it and could not collect it: its end stays.
            self._truncated_at[window_id] = from_iso(status["to"])
        if not isinstance(markers, dict):
            return
        if state in TERMINAL:
            self._outcomes[window_id] = Outcome(State(state), markers)
        if state == State.DONE:
            self._markers.note_published(window_id, Published(markers, status.get("owner_uid")))
        for name in markers:
            self.folder.expect(name)

    def _withdraw(self, window_id: str) -> None:
        """End a window whose markers are all gone, unless its artifacts may have appeared already."""
        if window_id in self._markers:  # it has markers again
            return
        if not self._under_way.drop(window_id):
            return
        if self._statuses.state(window_id) in (None, *TERMINAL):
            return
        published, answered = self._markers.published(window_id), self._statuses.markers(window_id)
        if published and answered and answered.items() <= published.markers.items():
            self._restore_result(window_id)  # they were deleted after its result had appeared
        else:
            self._statuses.update(window_id, State.CANCELLED, reason="its markers were deleted")

    def _restore_result(self, window_id: str) -> None:
        """Restore a window's result from its artifacts, whatever its status is."""
        manifest = read_manifest(self.session.artifacts / window_id)
        if manifest is None:  # removed since it was read
            self._markers.forget_published(window_id)
            return
        self._outcomes[window_id] = Outcome(State.DONE, manifest.get("markers") or {})
        self._statuses.update_from_manifest(window_id, manifest)
        self.log.info("window.restored", window=window_id, artifacts=str(self.session.artifacts / window_id))

    def _follow(self, window_id: str, markers: Markers, decision: Decision, monotonic: float) -> None:
        current = self._under_way.window(window_id)
        if current is not None and not (isinstance(decision, Due) and decision.window == current):
            if self._under_way.is_collected(window_id):
                return  # the markers are followed once the result of that is noted
            if not (current.truncated and isinstance(decision, Open)):
                self._under_way.drop(window_id)
                current = None
        match decision:
            case Open() if current is None:
                self._keep_open(window_id, markers, decision, monotonic)
            case Due(window) if current is None:
                self._under_way.begin(window, monotonic)
            case Ended(outcome, reason):
                self._end(window_id, outcome, reason=reason)
            case Answered(by_artifacts=True) if self._statuses.state(window_id) != State.DONE:
                self._restore_result(window_id)
            case Answered() | Due() | Open():
                pass

    def _keep_open(self, window_id: str, markers: Markers, decision: Open, monotonic: float) -> None:
        cut_off = self._truncated_at.pop(window_id, None)
        window = truncate(markers, cut_off) if cut_off else None
        if window is not None:
            self._under_way.begin(window, monotonic)
            return
        # An earlier result is void, even when the markers go back to what they were.
        self._outcomes.pop(window_id, None)
        if self._statuses.state(window_id) != State.OPEN:
            self.log.info("window.opened", window=window_id)
        self._statuses.update(window_id, State.OPEN, decision.start, decision.until, reason=decision.reason)

    def _advance(self, window_id: str, monotonic: float) -> float:
        """Take one window a step further; return in how many seconds to come back to it."""
        window = self._under_way.window(window_id)
        assert window is not None  # noqa: S101  # only called with those that are
        match self._under_way.advance(window_id, monotonic):
            case Collected() as collected:
                self._note_collected(window, collected)
            case Later() as later if window_id in self._markers:
                self._statuses.update_closed(window, State.SETTLING, later.reason)
            case Later():
                self._withdrawn.add(window_id)
            case Failed() as failed:
                if failed.defect is not None:
                    self.log.error("window.crashed", window=window_id, exc_info=failed.defect)
                self._end(window_id, Outcome(State.FAILED, window.markers), window, failed.reason)
            case float(seconds):
                return seconds
        return 0.0

    def _note_collected(self, window: Window, collected: Collected) -> None:
        self._outcomes[window.id] = Outcome(State.DONE, window.markers)
        self._markers.note_published(window.id, Published(window.markers, window.owner_uid))
        self._statuses.update_closed(
            window, State.DONE, "; ".join(collected.reasons), collected.folder,
            verdict=collected.status, slo=collected.slo,
        )  # fmt: skip
        self.log.info(
            "window.collected", window=window.id, status=collected.status, artifacts=collected.folder
        )
        self.collected()

    def _end(self, window_id: str, outcome: Outcome, window: Window | None = None, reason: str = "") -> None:
        self._outcomes[window_id] = outcome
        if window is not None:
            self._statuses.update_closed(window, outcome.state, reason)
        else:
            self._statuses.update(window_id, outcome.state, reason=reason, markers=dict(outcome.markers))
        if outcome.state is State.FAILED:
            self.log.error("window.failed", window=window_id, reason=reason)
        else:
            self.log.info("window.cancelled", window=window_id)
