"""Watching the drop folders for events, also when they are replaced by other folders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

from structlog.typing import FilteringBoundLogger

from monitord.daemon.parts import FolderPart
from monitord.dropfolder.folder import DropFolder
from monitord.dropfolder.watch import Watch, watch

AGAIN_SECONDS = 60.0
"""How long to wait before a watch that could not be started is tried again."""


@dataclass(slots=True)
class Watching:
    """Has files with events looked at soon; `wake` is called with the part of their folder."""

    folders: Mapping[FolderPart, tuple[Path, DropFolder]]
    wanted: Literal["auto", "inotify", "poll"]
    log: FilteringBoundLogger
    wake: Callable[[FolderPart], None]
    monotonic: Callable[[], float] = monotonic
    _watch: Watch | None = None
    _started: tuple[str, str] | None = None
    _again_at: float = 0.0
    _watched: tuple[int, ...] | None = None

    @property
    def mode(self) -> str | None:
        return self._watch.mode if self._watch else None

    def start(self) -> None:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        paths = {path: name for name, (path, _) in self.folders.items()}
        self._watch, reason = watch(paths, self.wanted, self._suspect, mounts)
        self._again_at = self.monotonic() + AGAIN_SECONDS
        started, before = (self._watch.mode, reason), self._started
        self._started = started
        if started != before or not self._watch.is_makeshift:  # another failure is not logged
            self.log.info("watch.started", mode=self._watch.mode, reason=reason)

    def keep(self) -> None:
        """Watch the folders that exist now: the old watch sees nothing of one that was replaced."""
        inodes = tuple(folder.inode for _, folder in self.folders.values())
        replaced = self._watched is not None and inodes != self._watched
        if self._watch is not None and (replaced or self._is_due(self._watch)):
            self._watch.stop()
            self.start()
        self._watched = None if 0 in inodes else inodes

    def stop(self) -> None:
        if self._watch is not None:
            self._watch.stop()

    def _is_due(self, watch: Watch) -> bool:
        """Return whether a better watch than this one may be possible now."""
        if watch.is_makeshift:
            return self.monotonic() >= self._again_at
        return watch.lost and self._are_there()

    def _are_there(self) -> bool:
        return all(path.is_dir() for path, _ in self.folders.values())

    def _suspect(self, name: str, file: str) -> None:
        """Have a file looked at soon. Called by watchdog's thread."""
        part = FolderPart(name)
        self.folders[part][1].suspect(file)
        self.wake(part)
