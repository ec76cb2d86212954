"""A folder that is written behind the back of whoever watches it: a client on another node.

bindfs shows one folder (the backing) under another path (the mount). What is written straight into
the backing raises no inotify event on the mount, and appears there all the same, as on Lustre and NFS.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATIENCE_SECONDS = 15.0
# What the kernel remembered of names and attributes would be up to a second old.
_OPTIONS = "entry_timeout=0,attr_timeout=0,negative_timeout=0"


class UnavailableError(Exception):
    """This machine cannot mount one; the text says why."""


class BlindMount:
    """One backing folder and where it is mounted; it can vanish, come back, and hang."""

    def __init__(self, folder: Path) -> None:
        self.backing = folder / "backing"
        self.mounted = folder / "mounted"
        self._log = folder / "bindfs.log"
        self._processes: list[subprocess.Popen[bytes]] = []
        for path in (self.backing, self.mounted):
            path.mkdir()

    def mount(self) -> None:
        """Mount it. Raises UnavailableError saying what this machine lacks."""
        program = shutil.which("bindfs")
        if program is None:
            raise UnavailableError("no bindfs in $PATH: apt-get install bindfs")
        argv = [program, "-f", "-o", _OPTIONS, str(self.backing), str(self.mounted)]
        with self._log.open("ab") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._processes.append(process)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self.mounted.is_mount():
            if process.poll() is not None or time.monotonic() > deadline:
                raise UnavailableError(f"bindfs cannot mount here: {self._log.read_text().strip()}")
            time.sleep(0.01)

    def unmount(self) -> None:
        """Have it vanish from its path at once; who has it open may go on."""
        fusermount = shutil.which("fusermount3") or shutil.which("fusermount") or "fusermount"
        argv = ["umount", "-l"] if os.geteuid() == 0 else [fusermount, "-u", "-z"]
        subprocess.run([*argv, str(self.mounted)], check=True, capture_output=True)

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Have nothing answered on the mount: whoever touches it waits."""
        self._processes[-1].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._processes[-1].send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Unmount whatever is mounted, and end what served it."""
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
        try:
            if self.mounted.is_mount():
                self.unmount()
        finally:
            for process in self._processes:
                _end(process)


@contextmanager
def blind_mount(folder: Path) -> Iterator[BlindMount]:
    """Mount a backing in this folder, for as long as it is needed. Raises UnavailableError."""
    mount = BlindMount(folder)
    try:
        mount.mount()
        yield mount
    finally:
        mount.end()


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(2)  # it ends by itself once nobody has the mount open any more
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
