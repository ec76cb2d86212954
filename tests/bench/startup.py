"""What a command costs before it does anything, over a bare interpreter that does nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from monitord.session.folder import Session
from tests.bench.figures import Row
from tests.bench.session import await_that, cancelled_window, drop

ROUNDS = 40
TARGETS = 4
WINDOWS = 3
AIMS = {"monitord --version": 3.0, "monitord status": 6.0}
_FLOOR = "python -c pass"
_OPEN = re.compile(r"\bopen(at2?)?\(")


def measure(session: Session) -> list[Row]:
    """Return the rows for `--version` and `status` of a session that has a few targets and windows."""
    _fill(session)
    commands = _commands(session)
    seconds = _interleaved(commands)
    opens = {name: count_opens(argv) for name, argv in commands.items()}
    rows = []
    for name, aim in AIMS.items():
        value, floor = median(seconds[name]), median(seconds[_FLOOR])
        times = (f"{1000 * value:.1f} ms", f"{1000 * floor:.1f} ms  {_FLOOR}")
        rows.append(Row(name, *times, value / floor, aim=aim))
    for name in AIMS:
        value_opens, floor_opens = opens[name], opens[_FLOOR]
        if value_opens and floor_opens:
            counts = (f"{value_opens} opens", f"{floor_opens} opens  {_FLOOR}")
            rows.append(Row(f"{name}: files opened", *counts, value_opens / floor_opens))
    return rows


def count_opens(argv: Sequence[str]) -> int | None:
    """Return how many files a command tries to open; None where strace is absent or may not trace."""
    strace = shutil.which("strace")
    if strace is None:
        return None
    traced = [strace, "-f", "-qq", "-e", "trace=open,openat,openat2", *argv]
    done = subprocess.run(traced, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    return len(_OPEN.findall(done.stderr)) if done.returncode == 0 else None


def _fill(session: Session) -> None:
    for number in range(TARGETS):
        drop(session.targets / f"s{number}.yaml", f'exporters: {{node: "127.0.0.1:{9 + number}"}}\n')
    for number in range(WINDOWS):
        cancelled_window(session, f"w{number}")
    statuses = [session.target_status(f"s{number}.yaml") for number in range(TARGETS)]
    await_that(lambda: all(status.exists() for status in statuses), "the targets' status")


def _commands(session: Session) -> dict[str, list[str]]:
    # The installed script, as users run it: what it and `site` import counts too.
    script = str(Path(sys.executable).with_name("monitord"))
    status = [script, "status", "--root", str(session.root), "--session", session.name]
    return {
        _FLOOR: [sys.executable, "-c", "pass"],
        "monitord --version": [script, "--version"],
        "monitord status": status,
    }


def _interleaved(commands: Mapping[str, Sequence[str]]) -> dict[str, list[float]]:
    """Time all commands in every round, so that whatever slows the machine slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(ROUNDS + 1):
        for name, argv in commands.items():
            taken = _time(argv)
            if number:  # the first round only warms the caches
                seconds[name].append(taken)
    return seconds


def _time(argv: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True, env=os.environ)
    return time.perf_counter() - started
