"""Blocks of Prometheus's database, and when snapshots of them are taken (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """Times of the oldest and newest sample, in Unix seconds; a block may end slightly later."""

    oldest: float
    newest: float


@dataclass(frozen=True, slots=True)
class SnapshotPlan:
    """When snapshots are taken, and a warning for the user."""

    at_end: bool = False
    after_windows: bool = False
    of_windows: bool = False
    warning: str | None = None

    @property
    def wanted(self) -> bool:
        """Whether any are taken, for which Prometheus needs its admin API."""
        return self.at_end or self.after_windows or self.of_windows


def snapshot_plan(
    setting: Literal["auto", "never", "end", "windows"],
    *,
    data_in_session: bool,
    auth: bool,
    of_windows: bool = False,
) -> SnapshotPlan:
    """Return when snapshots are taken; `of_windows` requests those whose blocks windows keep.

    They need the admin API, which can also delete series, so without a password it stays off.
    """
    wanted = ("never" if data_in_session else "end") if setting == "auto" else setting
    if wanted == "never" and not of_windows:
        return SnapshotPlan()
    if not auth:
        return SnapshotPlan(
            warning="no snapshots are taken without authentication, since their API lets anybody delete "
            "data; leave prometheus.auth on, or set prometheus.snapshots to never and windows.blocks "
            "to false"
        )
    return SnapshotPlan(wanted != "never", wanted == "windows", of_windows)


def is_block(name: str) -> bool:
    """Return whether this is the name of a block's folder."""
    return _ULID.fullmatch(name) is not None


def span_of(metas: Iterable[bytes]) -> Span:
    """Return the time that blocks cover together, from the content of their meta.json files.

    Raises ValueError when there is none, or when one is malformed.
    """
    spans = [_span(meta) for meta in metas]
    if not spans:
        raise ValueError("there is no block")
    return Span(min(span.oldest for span in spans), max(span.newest for span in spans))


def _span(meta: bytes) -> Span:
    found = json.loads(meta)
    start, end = (found.get("minTime"), found.get("maxTime")) if isinstance(found, dict) else (None, None)
    if not isinstance(start, int) or not isinstance(end, int):
        raise ValueError("a block's meta.json has no times")  # noqa: TRY004  # of a file, not of a caller
    return Span(start / 1000, (end - 1) / 1000)  # the end is exclusive
