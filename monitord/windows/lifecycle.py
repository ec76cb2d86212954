"""What to do about a window, from its markers and what was done for them so far. Pure.

There is no state here: after any crash the same markers lead to the same decision, and a window whose
markers have been answered is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from monitord.windows.markers import Marker, MarkerSpec, StopMarkerSpec, WindowSpec
from monitord.windows.model import Reported, Window

Markers = Mapping[str, Marker]  # by kind


class State(StrEnum):
    """The states of `status/windows/<id>.json`."""

    OPEN = "open"
    SETTLING = "settling"
    COLLECTING = "collecting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({State.DONE, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a window ended, and which markers that answers (file name -> modification time in ns)."""

    state: State
    markers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """What a window's artifacts answer: these markers, of this user; None is unknown."""

    markers: Mapping[str, int]
    owner_uid: int | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """The markers of a window that count, and why others do not, a sentence each."""

    markers: Markers
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """Nothing to do before `until` (Unix seconds; None: until a marker changes)."""

    start: float | None
    until: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """The window is closed and must be collected."""

    window: Window


@dataclass(frozen=True, slots=True)
class Ended:
    """The window ends without a collection: failed or cancelled."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Everything that the markers request has been done; `by_artifacts` if the window's artifacts show it."""

    by_artifacts: bool = False


Decision = Open | Due | Ended | Answered


def counted(markers: Markers, own_uid: int, published: Published | None = None) -> Counted:
    """Return the markers that count: those of the window's owner and of the daemon's own user.

    The owner is the user who wrote the start marker, else the past-window marker. The owner of published
    artifacts remains the owner as long as one of these markers is theirs, so that nobody else closes or
    cancels their window. Without an owner all markers count.
    """
    known = published.owner_uid if published else None
    opening = [markers[kind] for kind in ("start", "yaml") if kind in markers]
    owners = [marker.uid for marker in opening]
    owner = known if known in owners or not owners else owners[0]
    if owner is None:
        return Counted(markers)
    ignored = {kind: marker for kind, marker in markers.items() if marker.uid not in (owner, own_uid)}
    counting = {kind: marker for kind, marker in markers.items() if kind not in ignored}
    notes = (f"{marker.file} is ignored: it belongs to uid {marker.uid}, but the window to uid {owner}"
            for marker in ignored.values())  # fmt: skip
    return Counted(counting, tuple(sorted(notes)))


def decide(
    markers: Markers, outcome: Outcome | None, now: float, published: Published | None = None
) -> Decision:
    """Return what to do for the markers of one window; `now` is in Unix seconds.

    `markers` are those that count. Markers that the artifacts answer need nothing more, whatever was
    decided meanwhile for a marker that has since been removed.
    """
    effective = _effective(markers)
    stamps = {marker.file: marker.modified_ns for marker in effective.values()}
    if published is not None and stamps.items() <= published.markers.items():
        return Answered(by_artifacts=True)
    if outcome is not None and stamps.items() <= outcome.markers.items():
        return Answered()
    problem = _problem(effective)
    if problem:
        return Ended(Outcome(State.FAILED, stamps), problem)
    if "cancel" in effective:
        return Ended(Outcome(State.CANCELLED, stamps), "cancelled by its .cancel marker")
    if "yaml" in effective:
        return _past_window(effective["yaml"], stamps, now)
    return _bracketed_window(effective, stamps, now)


def truncate(markers: Markers, now: float) -> Window | None:
    """Close an open window at `now`, as when the allocation ends; None when it has not begun."""
    start = markers.get("start")
    if start is None or start.problems or start.at >= now:
        return None
    closed = replace(_window({"start": start}, start.at, now), truncated=True)
    return replace(closed, markers={marker.file: marker.modified_ns for marker in markers.values()})


def _effective(markers: Markers) -> dict[str, Marker]:
    """Leave out a cancel marker that is newer than the stop marker: only an open window can be cancelled."""
    effective = dict(markers)
    cancel, start, stop = (markers.get(kind) for kind in ("cancel", "start", "stop"))
    if cancel is None:
        return effective
    restarted = start is not None and start.at > cancel.at
    closed_before = start is not None and stop is not None and start.at <= stop.at < cancel.at
    if restarted or closed_before or "yaml" in markers:
        del effective["cancel"]
    return effective


def _problem(markers: Markers) -> str:
    for marker in markers.values():
        if marker.problems:
            return "; ".join(f"{marker.file}:{problem}" for problem in marker.problems)
    if "yaml" in markers and len(markers) > 1:
        others = ", ".join(marker.file for kind, marker in markers.items() if kind != "yaml")
        return f"both {markers['yaml'].file} and {others} exist; rename one of them"
    if "start" not in markers and "stop" in markers:
        start, stop = f"{markers['stop'].window_id}.start", markers["stop"].file
        return f"{stop} exists without {start}; touch {start}, and {stop} again at the end of the window"
    return ""


def _past_window(marker: Marker, stamps: Mapping[str, int], now: float) -> Decision:
    spec = marker.spec
    assert isinstance(spec, WindowSpec)  # noqa: S101  # a marker without problems holds its kind's spec
    if spec.to > now:
        return Open(spec.from_, until=spec.to, reason="its end is in the future")
    reported = {name: Reported(item.value, item.unit) for name, item in spec.results.items()}
    return Due(
        Window(
            marker.window_id,
            spec.from_,
            spec.to,
            spec.labels,
            tuple(spec.recipes),
            tuple(spec.slo),
            reported,
            stamps,
            owner_uid=marker.uid,
            warmup=spec.warmup or 0.0,
            cooldown=spec.cooldown or 0.0,
        )
    )


def _bracketed_window(markers: Markers, stamps: Mapping[str, int], now: float) -> Decision:
    start, stop = markers["start"], markers.get("stop")
    if start.at > now:
        return Open(
            start.at,
            reason=f"{start.file} gives a time in the future; wait until then, or write the file again",
        )
    if stop is None:
        return Open(start.at)
    if stop.at < start.at:
        return Open(
            start.at, reason=f"{stop.file} is older than {start.file}; touch it again to close the window"
        )
    if stop.at == start.at:
        reason = f"{start.file} and {stop.file} give the same time; write {stop.file} again"
        return Ended(Outcome(State.FAILED, stamps), reason)
    if stop.at > now:
        reason = f"{stop.file} gives a time in the future; wait until then, or write the file again"
        return Open(start.at, until=stop.at, reason=reason)
    return Due(replace(_window(markers, start.at, stop.at), markers=stamps))


def _window(markers: Markers, start: float, end: float) -> Window:
    """Return the window of both markers; the stop marker overrides the start marker."""
    labels: dict[str, str] = {}
    recipes: tuple[str, ...] = ()
    slo: tuple[str, ...] = ()
    reported: dict[str, Reported] = {}
    warmup = cooldown = 0.0
    for kind in ("start", "stop"):
        spec = markers[kind].spec if kind in markers else None
        if isinstance(spec, MarkerSpec):
            labels |= spec.labels
            recipes = tuple(spec.recipes) or recipes
            slo += tuple(spec.slo)
            warmup = warmup if spec.warmup is None else spec.warmup
            cooldown = cooldown if spec.cooldown is None else spec.cooldown
        if isinstance(spec, StopMarkerSpec):
            reported = {name: Reported(item.value, item.unit) for name, item in spec.results.items()}
    opening = markers["start"]
    return Window(
        opening.window_id, start, end, labels, recipes, slo, reported,
        owner_uid=opening.uid, warmup=warmup, cooldown=cooldown,
    )  # fmt: skip
