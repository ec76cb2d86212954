"""`status/windows/<id>.json`: what is told of windows, published where it changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from monitord.atomic import publish, read_json, to_json
from monitord.clock import Clock, to_iso
from monitord.collect.slo import worst_of
from monitord.listing import paths_in
from monitord.session import Session, unescape_file_name
from monitord.windows.lifecycle import State
from monitord.windows.model import Window


@dataclass(slots=True)
class WindowStatuses:
    """What is to be told of each window, and what was told last, by an earlier daemon too."""

    session: Session
    clock: Clock
    _told: dict[str, dict[str, Any]] = field(default_factory=dict)
    _published: dict[str, dict[str, Any]] = field(default_factory=dict)

    def restore(self) -> Mapping[str, Mapping[str, Any]]:
        """Read what was published, and return it by window."""
        for path in paths_in(self.session.window_statuses, suffix=".json"):
            status = read_json(path)
            if isinstance(status, dict):
                status.pop("updated_at", None)
                self._published[unescape_file_name(path.name.removesuffix(".json"))] = status
        return dict(self._published)

    def state(self, window_id: str) -> str | None:
        return (self._told.get(window_id) or self._published.get(window_id, {})).get("state")

    def tell(
        self,
        window_id: str,
        state: State,
        start: float | None = None,
        end: float | None = None,
        **more: Any,
    ) -> None:
        """Note what is to be published of a window."""
        self._told[window_id] = {
            "state": state,
            "from": None if start is None else to_iso(start),
            "to": None if end is None else to_iso(end),
            "artifacts": None,
            "verdict": None,
            "slo": None,
            "reason": "",
            "truncated": False,
            "markers": None,
            **more,
        }

    def tell_of(
        self, window: Window, state: State, reason: str = "", artifacts: str | None = None, **more: Any
    ) -> None:
        """Note it of a closed window."""
        self.tell(
            window.id, state, window.start, window.end, reason=reason, artifacts=artifacts,
            truncated=window.truncated, markers=dict(window.markers), **more,
        )  # fmt: skip

    def tell_of_artifacts(self, window_id: str, manifest: Mapping[str, Any]) -> None:
        """Tell of artifacts that appeared just before a crash, as would have been told then."""
        reasons = [str(reason.get("message")) for reason in manifest.get("reasons") or ()]
        self._told[window_id] = {
            **self._published[window_id],
            "state": State.DONE,
            "artifacts": str(self.session.artifacts / window_id),
            "verdict": manifest.get("status"),
            "slo": worst_of(result.get("status") for result in manifest.get("slo") or ()),
            "reason": "; ".join(reasons),
        }

    def publish(self) -> None:
        """Publish what changed; what cannot be written now is tried again in the next round."""
        for window_id, status in list(self._told.items()):
            if self._published.get(window_id) != status:
                content = to_json({**status, "updated_at": to_iso(self.clock.now())})
                publish(self.session.window_status(window_id), content, self.session.file_mode)
                self._published[window_id] = status
            del self._told[window_id]
