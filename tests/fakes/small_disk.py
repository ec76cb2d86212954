"""A file system of a few megabytes, which a test fills, empties and makes read-only. Needs root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class UnavailableError(Exception):
    """This machine cannot mount one; the text says why."""


@dataclass(frozen=True)
class SmallDisk:
    """A mounted tmpfs."""

    folder: Path

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._ballast.open("wb", buffering=0) as file:
            block = bytes(16384)
            try:
                while True:
                    file.write(block)
            except OSError:
                return

    def free(self) -> None:
        """Give back the room that `fill` took."""
        self._ballast.unlink()

    def set_read_only(self, is_read_only: bool) -> None:
        """Have every write refused, or taken again."""
        _run("mount", "-o", f"remount,{'ro' if is_read_only else 'rw'}", str(self.folder))


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one on a new folder, for as long as it is needed. Raises UnavailableError."""
    if os.geteuid() != 0:
        raise UnavailableError("only root may mount a tmpfs")
    folder.mkdir()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder))
    except subprocess.CalledProcessError as error:
        raise UnavailableError(f"no tmpfs can be mounted here: {error.stderr.strip()}") from None
    try:
        yield SmallDisk(folder)
    finally:
        _run("umount", "-l", str(folder))  # -l: a daemon that is still ending may hold files open


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True)
