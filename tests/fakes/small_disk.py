"""A file system of a few megabytes, which a test fills, empties and makes read-only. Needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


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
def small_disk(folder: Path, kibibytes: int) -> Iterator[SmallDisk]:
    """Mount one on a new folder while the context lasts; skips the test where that cannot be had."""
    folder.mkdir(mode=0o700)
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={kibibytes}k,mode=0700", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        pytest.skip(f"no tmpfs can be mounted here: {str(reason).strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        _run("umount", "-l", str(folder))  # -l: a daemon that is still ending may hold files open


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, text=True)
