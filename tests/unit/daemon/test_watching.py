"""The watch on the drop folders, where it cannot be started for a while."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from monitord.daemon.parts import FolderPart
from monitord.daemon.watching import AGAIN_SECONDS, Watching
from monitord.dropfolder.folder import DropFolder
from tests.fakes.clock import FakeClock
from tests.fakes.log import events, recording_log

LIMITED = """
import os, queue, resource, tempfile
from pathlib import Path
from monitord.daemon.parts import FolderPart
from monitord.daemon.watching import AGAIN_SECONDS, Watching
from monitord.dropfolder.folder import DropFolder
from tests.fakes.clock import FakeClock
from tests.fakes.log import events, recording_log
if os.geteuid() == 0:
    os.setgid(54322)
    os.setuid(54322)  # no limit holds for root

def next_descriptor():
    number = os.dup(0)
    os.close(number)
    return number

clock, (log, entries), woken = FakeClock(), recording_log(), queue.Queue()
_, hard = resource.getrlimit(resource.RLIMIT_NPROC)
with tempfile.TemporaryDirectory(dir="/tmp") as name:
    folder = Path(name)
    folders = {FolderPart.TARGETS: (folder, DropFolder(folder, bool))}
    watching = Watching(folders, "inotify", log, woken.put, clock.monotonic)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
    before = next_descriptor()
    watching.start()
    print(watching.mode)
    for _ in range(5):
        clock.advance(AGAIN_SECONDS)
        watching.keep()
    print(watching.mode, len(entries), next_descriptor() == before)
    resource.setrlimit(resource.RLIMIT_NPROC, (1000 if hard < 0 else hard, hard))
    watching.keep()
    print(watching.mode)
    clock.advance(AGAIN_SECONDS)
    watching.keep()
    print(watching.mode)
    (folder / "a.yaml").touch()
    print(woken.get(timeout=20))
    watching.stop()
"""


def test_a_watch_that_no_thread_was_left_for_is_started_once_there_is_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], timeout=60, check=False, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["poll", "poll 1 True", "poll", "inotify", "targets", ""]


def test_a_folder_that_cannot_be_watched_is_tried_again(tmp_path: Path) -> None:
    clock, (log, entries) = FakeClock(), recording_log()
    folder = tmp_path / "targets"
    watching = Watching(
        {FolderPart.TARGETS: (folder, DropFolder(folder, bool))},
        "inotify",
        log,
        lambda _: None,
        clock.monotonic,
    )
    watching.start()
    assert watching.mode == "poll"
    folder.mkdir()
    watching.keep()
    assert watching.mode == "poll", "not at every poll"
    clock.advance(AGAIN_SECONDS)
    watching.keep()
    assert watching.mode == "inotify"
    watching.stop()
    assert events(entries) == ["watch.started", "watch.started"]
