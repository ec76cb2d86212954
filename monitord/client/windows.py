"""Measurement windows: opening, closing, cancelling and requesting them by markers.

Every function returns the marker that it dropped, and raises InvalidInputError.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.client.drop_files import drop
from monitord.errors import InvalidFileError, InvalidInputError
from monitord.session.folder import Session
from monitord.system.names import check_name
from monitord.system.timestamps import to_iso


@dataclass(frozen=True, slots=True)
class DroppedMarker:
    """A marker as it was dropped; its modification time identifies it in the window's status."""

    window_id: str
    path: Path
    modified_ns: int

    def is_answered_by(self, status: Mapping[str, Any]) -> bool:
        """Return whether a window's status is about this marker, not about an earlier one."""
        return bool((status.get("markers") or {}).get(self.path.name) == self.modified_ns)


def open_window(
    session: Session,
    window_id: str,
    *,
    labels: Mapping[str, str] | None = None,
    slo: Sequence[str] = (),
    warmup: str | None = None,
    cooldown: str | None = None,
) -> DroppedMarker:
    """Open a window now. `slo` are conditions that it must keep.

    `warmup` and `cooldown` are durations, such as 30s, that are not measured at its start and its end.
    """
    _refuse_if_open(session, window_id)
    check_conditions(session, slo)
    trimmed = {key: text for key, text in (("warmup", warmup), ("cooldown", cooldown)) if text}
    return _drop(session, window_id, "start", {"labels": dict(labels or {}), "slo": list(slo), **trimmed})


def close_window(session: Session, window_id: str) -> DroppedMarker:
    """Close an open window now; the daemon then collects it."""
    _require_started(session, window_id)
    return _drop(session, window_id, "stop")


def close_opened(session: Session, opened: DroppedMarker) -> DroppedMarker:
    """Close a window that the caller opened, without looking at its start marker again."""
    return _drop(session, opened.window_id, "stop")


def cancel_window(session: Session, window_id: str) -> DroppedMarker:
    """End an open window without collecting it."""
    _require_started(session, window_id)
    return _drop(session, window_id, "cancel")


def request_window(
    session: Session, window_id: str, start: float, end: float, *, slo: Sequence[str] = ()
) -> DroppedMarker:
    """Ask for a past window, from `start` to `end` in Unix seconds."""
    for kind in ("start", "stop"):
        if (marker := _path(session, window_id, kind)).exists():
            raise InvalidInputError(
                f"window {window_id} exists already: {marker}; choose another name for this one"
            )
    return _drop(session, window_id, "yaml", {"from": to_iso(start), "to": to_iso(end), "slo": list(slo)})


def check_conditions(session: Session, slo: Sequence[str]) -> None:
    """Check SLO conditions against the recipes in force, before anything is measured.

    Raises InvalidInputError for a text that is not a condition, or that no KPI of the session can decide.
    """
    if not slo:
        return
    from monitord.documents.conditions import misfit, parse_condition
    from monitord.recipes.load import load_recipes
    from monitord.recipes.model import measures_of

    measures = measures_of(load_recipes(session.recipes))
    for text in slo:
        try:
            problem = misfit(parse_condition(text), measures)
        except ValueError as error:
            problem = str(error)
        if problem:
            raise InvalidInputError(f"SLO condition: {problem}")


def _path(session: Session, window_id: str, kind: str) -> Path:
    return session.windows / f"{check_name(window_id, 'window')}.{kind}"


def _drop(
    session: Session, window_id: str, kind: str, content: Mapping[str, Any] | None = None
) -> DroppedMarker:
    """Write a marker, also when it exists already, so that its modification time is now."""
    given = {key: value for key, value in (content or {}).items() if value}
    path = drop(session, _path(session, window_id, kind), _marker(kind, given), rewrite=True)
    return DroppedMarker(window_id, path, path.stat().st_mtime_ns)


def _marker(kind: str, content: Mapping[str, Any]) -> bytes:
    if not content:
        return b""
    from monitord.documents.strict_yaml import write_document
    from monitord.windows.markers import parse_marker

    written = write_document(dict(content))
    try:
        parse_marker(kind, written)
    except InvalidFileError as error:
        raise InvalidInputError("\n".join(f"{p.field}: {p.message}" for p in error.problems)) from None
    return written


def _require_started(session: Session, window_id: str) -> None:
    marker = _path(session, window_id, "start")
    if not marker.exists():
        raise InvalidInputError(
            f"window {window_id} was never opened: {marker} does not exist; open it with: "
            f"monitord window start --session {session.name} --id {window_id}"
        )
    owner, daemon = marker.stat().st_uid, session.folder.stat().st_uid
    if os.geteuid() not in (owner, daemon):
        raise InvalidInputError(
            f"window {window_id} belongs to another user (uid {owner}): only that user, or the user of the "
            f"daemon (uid {daemon}), can close or cancel it"
        )


def _refuse_if_open(session: Session, window_id: str) -> None:
    """Refuse to move the start of a window that is being measured."""
    times = {}
    for kind in ("start", "stop", "cancel"):
        marker = _path(session, window_id, kind)
        times[kind] = marker.stat().st_mtime if marker.exists() else 0.0
    if times["start"] > max(times["stop"], times["cancel"]):
        since = time.strftime("%H:%M:%S", time.localtime(times["start"]))
        raise InvalidInputError(
            f"window {window_id} is open already, since {since}; stop or cancel it, or use another --id"
        )
