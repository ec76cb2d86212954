"""Waking early when something happens in a drop folder. The only place that imports watchdog.

An event only names a file to look at now. On a network file system inotify does not see what other nodes
write, so there is no watcher there, only polling.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Protocol

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from monitord.errors import PassingError
from monitord.system.background import on_a_thread
from monitord.system.mounts import file_system_type

# Where every write passes through this machine's kernel, so that inotify sees it.
_LOCAL_TYPES = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "ramfs", "overlay", "f2fs", "bcachefs"}
)
# A touch is "modified" before watchdog 7, and "attrib" since.
_CONTENT_EVENTS = ("created", "modified", "attrib", "moved", "deleted", "closed")


class Watch(Protocol):
    """A running watcher, or the absence of one."""

    mode: str
    lost: bool
    """Whether a watched folder was deleted: events of a new folder in its place are not seen."""
    is_makeshift: bool
    """Whether the intended watcher could not be started."""

    def stop(self) -> None:
        """End it."""


class Polling:
    """No watcher, only polling."""

    mode = "poll"
    lost = False

    def __init__(self, *, is_makeshift: bool = False) -> None:
        self.is_makeshift = is_makeshift

    def stop(self) -> None:
        """Do nothing."""


class Inotify:
    """watchdog's observer over some folders."""

    mode = "inotify"
    is_makeshift = False

    def __init__(self, folders: Mapping[Path, str], wake: Callable[[str, str], None]) -> None:
        """Start watching.

        Raises OSError when the kernel has no watch left to give, RuntimeError or PassingError when no thread.
        """
        self.lost = False
        on_a_thread(lambda: None)  # watchdog 7 leaks an inotify instance if no thread can be started
        self._observer = Observer()
        try:
            for folder, name in folders.items():
                self._observer.schedule(_Wake(partial(wake, name), str(folder), self), str(folder))
            self._observer.start()
        except (OSError, RuntimeError):
            self._observer.stop()  # the emitters that did start would fill a queue that nobody reads
            raise

    def stop(self) -> None:
        self._observer.stop()
        self._observer.join(timeout=5)


class _Wake(FileSystemEventHandler):
    def __init__(self, wake: Callable[[str], None], folder: str, watch: Inotify) -> None:
        self._wake = wake
        self._folder = folder
        self._watch = watch

    def dispatch(self, event: FileSystemEvent) -> None:
        if event.src_path == self._folder:
            # Changes inside the folder have their own events.
            self._watch.lost |= event.event_type in ("deleted", "moved")
        # Our own reading opens and closes files as well.
        elif event.event_type in _CONTENT_EVENTS:
            for path in [path for path in (event.src_path, event.dest_path) if path]:
                name = os.path.basename(os.fsdecode(path))  # noqa: PTH119  # a Path for every event is dear
                if not name.startswith("."):  # which is not read
                    self._wake(name)


def watch(
    folders: Mapping[Path, str], mode: str, wake: Callable[[str, str], None], mounts: str
) -> tuple[Watch, str]:
    """Start the watcher that fits the folders; return it with the reason for the choice.

    `wake` is called with the folder's name in `folders`, and the name of the changed file.
    `mode` is `auto`, `inotify` or `poll`; `mounts` is the text of /proc/self/mounts.
    """
    kinds = {file_system_type(folder.resolve(), mounts) for folder in folders}
    if mode == "poll":
        return Polling(), "set to poll"
    if mode == "auto" and not kinds <= _LOCAL_TYPES:
        return (
            Polling(),
            f"on {', '.join(sorted(kinds - _LOCAL_TYPES))}, writes by other nodes cause no event",
        )
    try:
        return Inotify(
            folders, wake
        ), "set to inotify" if mode == "inotify" else f"on {', '.join(sorted(kinds))}"
    except (OSError, RuntimeError, PassingError) as error:
        return Polling(is_makeshift=True), f"inotify is not available: {error}"
