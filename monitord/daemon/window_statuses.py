"""`status/windows/<id>.json`: the statuses of windows, published when they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from typing import Any

from monitord.artifacts.manifest import reasons_of
from monitord.collect.slo import worst_of
from monitord.daemon.expiry import Expiry
from monitord.session.folder import unescape_file_name
from monitord.session.held import HeldSession
from monitord.system.atomic import read_json, to_json
from monitord.system.clock import Clock
from monitord.system.listing import paths_in
from monitord.system.timestamps import from_iso, to_iso
from monitord.windows.lifecycle import TERMINAL, State
from monitord.windows.model import Window


@dataclass(slots=True)
class WindowStatuses:
    """The pending and the published status of each window, including those of an earlier daemon.

    Neither contains the sentences about ignored markers, which are added when a status is published. The
    status of a window that is gone is kept for `keep` seconds.
    """

    session: HeldSession
    clock: Clock
    keep: InitVar[float]
    _ended: Expiry = field(init=False)
    _pending: dict[str, dict[str, Any]] = field(default_factory=dict)
    _published: dict[str, dict[str, Any]] = field(default_factory=dict)
    _ignored: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self, keep: float) -> None:
        self._ended = Expiry(keep)

    def keep_for(self, seconds: float) -> None:
        """Keep the statuses of windows that are gone for this long."""
        self._ended.keep = seconds

    def restore(self) -> Mapping[str, Mapping[str, Any]]:
        """Read the published statuses and return them by window. Raises OSError."""
        for path in paths_in(self.session.window_statuses, suffix=".json"):
            status = read_json(path)
            if isinstance(status, dict):
                window_id = unescape_file_name(path.name.removesuffix(".json"))
                self._note(window_id, status, _moment(status.pop("updated_at", None)))
                self._ignored[window_id] = tuple(status.pop("ignored", None) or ())
                self._published[window_id] = _without(status, self._ignored[window_id])
        return dict(self._published)

    def state(self, window_id: str) -> str | None:
        return self._latest(window_id).get("state")

    def markers(self, window_id: str) -> Mapping[str, int]:
        """Return the markers that the status of a window answers, or will answer."""
        return self._latest(window_id).get("markers") or {}

    def _latest(self, window_id: str) -> dict[str, Any]:
        return self._pending.get(window_id) or self._published.get(window_id, {})

    def update(
        self,
        window_id: str,
        state: State,
        start: float | None = None,
        end: float | None = None,
        **more: Any,
    ) -> None:
        """Change the status of a window; `publish` publishes it."""
        self._record(
            window_id,
            state=state,
            **{"from": None if start is None else to_iso(start), "to": None if end is None else to_iso(end)},
            **more,
        )

    def _record(self, window_id: str, **fields: Any) -> None:
        self._pending[window_id] = {
            "state": None,
            "from": None,
            "to": None,
            "artifacts": None,
            "verdict": None,
            "slo": None,
            "reason": "",
            "truncated": False,
            "markers": None,
            "owner_uid": None,
            **fields,
        }

    def update_closed(
        self, window: Window, state: State, reason: str = "", artifacts: str | None = None, **more: Any
    ) -> None:
        """Change the status of a closed window."""
        self.update(
            window.id, state, window.start, window.end, reason=reason, artifacts=artifacts,
            truncated=window.truncated, markers=dict(window.markers), owner_uid=window.owner_uid, **more,
        )  # fmt: skip

    def update_from_manifest(self, window_id: str, manifest: Mapping[str, Any]) -> None:
        """Restore the status of a window with artifacts from their manifest."""
        window, reasons = manifest.get("window") or {}, manifest.get("reasons") or ()
        self._record(
            window_id,
            state=State.DONE,
            **{"from": window.get("from"), "to": window.get("to")},
            artifacts=str(self.session.artifacts / window_id),
            verdict=manifest.get("status"),
            slo=worst_of(result.get("status") for result in manifest.get("slo") or ()),
            reason="; ".join(reasons_of(manifest)),
            truncated=any(reason.get("code") == "window_truncated" for reason in reasons),
            markers=manifest.get("markers"),
            owner_uid=manifest.get("owner_uid"),
        )

    def ignore(self, window_id: str, sentences: tuple[str, ...]) -> tuple[str, ...]:
        """Note why markers of a window are ignored; return the sentences that are new."""
        before = self._ignored.get(window_id, ())
        if sentences != before:
            self._ignored[window_id] = sentences
            if latest := self._latest(window_id):
                self._pending[window_id] = dict(latest)
                self._published.pop(window_id, None)
        return tuple(sentence for sentence in sentences if sentence not in before)

    def publish(self) -> None:
        """Publish what changed. What cannot be written now stays pending."""
        for window_id, status in list(self._pending.items()):
            if self._published.get(window_id) != status:
                document = _with(status, self._ignored.get(window_id, ()))
                content = to_json({**document, "updated_at": to_iso(self.clock.now())})
                self.session.publish(self.session.window_status(window_id), content)
                self._published[window_id] = status
                self._note(window_id, status, self.clock.now())
            del self._pending[window_id]

    def ended(self, now: float) -> list[str]:
        """Return the windows whose status may be removed, because they ended long enough ago."""
        return self._ended.due(now)

    def remove(self, window_id: str) -> None:
        """Remove the status of a window."""
        self.session.window_status(window_id).unlink(missing_ok=True)
        for known in (self._pending, self._published, self._ignored):
            known.pop(window_id, None)
        self._ended.forget(window_id)

    def _note(self, window_id: str, status: Mapping[str, Any], updated_at: float) -> None:
        if status.get("state") in TERMINAL:
            self._ended.note(window_id, updated_at)
        else:
            self._ended.forget(window_id)


def _moment(written: Any) -> float:
    try:
        return from_iso(written)
    except (TypeError, ValueError):  # not written by us
        return 0.0


def _with(status: Mapping[str, Any], ignored: tuple[str, ...]) -> dict[str, Any]:
    reason = "; ".join(filter(None, (status["reason"], *ignored)))
    return {**status, "reason": reason, "ignored": list(ignored)}


def _without(status: dict[str, Any], ignored: tuple[str, ...]) -> dict[str, Any]:
    reason = str(status.get("reason") or "")
    if ignored:
        reason = reason.removesuffix("; ".join(ignored)).removesuffix("; ")
    return {**status, "reason": reason}
