"""The markers in the drop folder, by window, and which of them count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from monitord.artifacts.store import read_manifest
from monitord.dropfolder.files import DroppedFile
from monitord.session.folder import Session
from monitord.windows.lifecycle import Counted, Published, counted
from monitord.windows.markers import KINDS, Marker, read_marker, split_name


@dataclass(slots=True)
class WindowMarkers:
    """The markers by window, and those that the window's artifacts answer.

    `uid` is the daemon's own user, whose markers count for every window.
    """

    session: Session
    uid: int
    _markers: dict[str, dict[str, Marker]] = field(default_factory=dict)
    _published: dict[str, Published | None] = field(default_factory=dict)

    def __contains__(self, window_id: str) -> bool:
        return window_id in self._markers

    @property
    def windows(self) -> tuple[str, ...]:
        """The windows that have a marker."""
        return tuple(self._markers)

    def add(self, files: Iterable[DroppedFile]) -> None:
        """Note files that are new or have changed."""
        for file in files:
            marker = read_marker(
                file.name, file.modified_at, file.modified_ns, file.content, file.problem, file.uid
            )
            self._markers.setdefault(marker.window_id, {})[marker.kind] = marker

    def remove(self, names: Iterable[str]) -> set[str]:
        """Note files that are gone; return the windows without a marker now."""
        touched = set()
        for window_id, kind in filter(None, map(split_name, names)):
            touched.add(window_id)
            markers = self._markers.get(window_id, {})
            markers.pop(kind, None)
            if not markers:
                self._markers.pop(window_id, None)
        return touched - self._markers.keys()

    def counted(self, window_id: str) -> Counted:
        """Return which of a window's markers count. Raises OSError as `published` does."""
        return counted(self._markers[window_id], self.uid, self.published(window_id))

    def published(self, window_id: str) -> Published | None:
        """Return the markers that the window's artifacts answer. Raises OSError."""
        if window_id not in self._published:
            manifest = read_manifest(self.session.artifacts / window_id)
            self._published[window_id] = _published(manifest) if manifest else None
        return self._published[window_id]

    def note_published(self, window_id: str, published: Published) -> None:
        """Note artifacts that have appeared."""
        self._published[window_id] = published

    def forget_published(self, window_id: str) -> None:
        """Have the manifest read again when it is needed."""
        self._published.pop(window_id, None)

    def is_being_written(self, window_id: str, unsettled: Set[str]) -> bool:
        """Return whether a marker that counts is still being written. Others delay nothing."""
        names = {f"{window_id}.{kind}" for kind in KINDS} & unsettled if unsettled else set()
        return any(self._counts(window_id, name) for name in names)

    def _counts(self, window_id: str, name: str) -> bool:
        try:
            uid = (self.session.windows / name).lstat().st_uid
        except OSError:
            return True
        kind = name.removeprefix(f"{window_id}.")
        together = {**self._markers[window_id], kind: Marker(window_id, kind, 0.0, 0, uid=uid)}
        return kind in counted(together, self.uid, self._published.get(window_id)).markers


def _published(manifest: Mapping[str, Any]) -> Published | None:
    markers = manifest.get("markers")
    return Published(markers, manifest.get("owner_uid")) if isinstance(markers, dict) else None
