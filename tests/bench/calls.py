"""What the daemon asks of the file system that holds the drop folder, counted by strace.

On Lustre each of these calls is a request to the metadata server, which all nodes share.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median

from monitord.session.folder import Session
from monitord.system.children import Child
from tests.bench.figures import Row, aimed, skipped
from tests.bench.file_sd import FileSd, marked
from tests.bench.scale import FILES, QUIET, fill, marks
from tests.bench.session import await_ready, await_that, created_session, drop, running_daemon

FEW = 10
POLL_SECONDS = 0.5
IDLE_SECONDS = 6.0
SETTLE_SECONDS = 3.0  # until what was just changed is no longer looked at again
CALLS_AIM, OPENS_AIM = 10.0, 2.0
METADATA = (
    "stat,lstat,fstat,newfstatat,statx,getdents,getdents64,open,openat,openat2,access,faccessat,faccessat2,"
    "readlink,readlinkat"
)
_OPENS = re.compile(r"\bopen(?:at2?)?\(.*\.ya?ml\"")
_ATTACHED = re.compile(r"Process \d+ attached")


class UntraceableError(Exception):
    """No system calls can be counted here; the text says why."""


def measure(folder: Path) -> list[Row]:
    """Return the rows for metadata calls of an idle poll, and for opens of one change."""
    try:
        few, _ = _calls(folder, FEW)
        many, opens = _calls(folder, FILES)
    except UntraceableError as error:
        return [skipped("metadata calls of an idle poll, opens of a change", error)]
    peer = f"{few:.4g} calls  with {FEW} files"
    same = Row(f"idle poll, {FILES:,} files: as with {FEW}", f"{many:,g} calls", peer, many / few, aim=1.0)
    return [
        aimed(f"metadata calls of an idle poll, {FEW} files", few, CALLS_AIM, "calls"),
        aimed(f"metadata calls of an idle poll, {FILES:,} files", many, CALLS_AIM, "calls"),
        same,
        aimed(f"target files opened for one change among {FILES:,}", opens, OPENS_AIM, "opens"),
    ]


def _calls(folder: Path, files: int) -> tuple[float, int]:
    """Return the metadata calls of an idle poll, and the target files opened after one changed."""
    settings = {"watch__poll_interval": f"{POLL_SECONDS}s", "watch__full_scan_interval": "1h"}
    session = created_session(folder, f"calls{files}", watch__mode="poll", **settings, **QUIET)
    fill(session, files)
    file_sd = FileSd(session.file_sd)
    with running_daemon(session) as daemon:
        file_sd.await_marks(marks(files), "all files", 0.02)
        await_ready(session, daemon)
        time.sleep(SETTLE_SECONDS)
        idle = folder / f"idle{files}.strace"
        with _traced(daemon, METADATA, idle):
            time.sleep(IDLE_SECONDS)
        change = folder / f"change{files}.strace"
        with _traced(daemon, "open,openat,openat2", change):
            drop(session.targets / "file0.yaml", marked("changed", 1))
            file_sd.await_marks(["changed"], "the change")
            time.sleep(SETTLE_SECONDS)
    opens = [line for line in _lines(change, session) if _OPENS.search(line)]
    return median(_polls(_lines(idle, session))), len(opens)


def _polls(lines: list[str]) -> list[int]:
    """Return how many calls each poll made: between two polls there is a pause, within one hardly any."""
    if not lines:
        raise RuntimeError(f"the daemon has not looked at targets/ in {IDLE_SECONDS:g} s")
    moments = [float(line.split()[1]) for line in lines]  # after the thread's number
    begins = [number for number in range(1, len(lines)) if _paused(moments[number - 1], moments[number])]
    return [end - begin for begin, end in pairwise([0, *begins, len(lines)])]


def _paused(before: float, after: float) -> bool:
    return after - before > POLL_SECONDS / 2


def _lines(trace: Path, session: Session) -> list[str]:
    """Return the calls on the drop folder or anything in it, by path or by an open folder's number."""
    lines = trace.read_text(errors="replace").splitlines()
    # A call that another thread's call came between is written in two halves: count it once.
    return [line for line in lines if str(session.targets) in line and "resumed>" not in line]


@contextmanager
def _traced(daemon: Child, calls: str, output: Path) -> Iterator[None]:
    """Write the daemon's calls of these names into a file. Raises UntraceableError."""
    strace = shutil.which("strace")
    if strace is None:
        raise UntraceableError("no strace in $PATH: apt-get install strace")
    what = ("-e", f"trace={calls}", "-o", str(output), "-p", str(daemon.pid))
    argv = [strace, "-f", "-y", "-ttt", "-s", "4096", *what]
    said = output.with_suffix(".err")
    with said.open("wb") as error:
        tracer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=error, stderr=error)
    try:
        await_that(
            lambda: tracer.poll() is not None or _ATTACHED.search(said.read_text()), "strace to be attached"
        )
        if tracer.poll() is not None:
            raise UntraceableError(f"strace: {said.read_text().strip()}")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)  # it lets go of the daemon, which runs on
        tracer.wait()
