"""`python -m tests.bench [GROUP…]`: every measure of speed, or those of some groups.

Each is a ratio to a floor or a peer of the same run, or to what is aimed at. Times drift with the
machine and with what else runs on it; ratios hold. That is also why no test asserts a time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import blind, calls, machine, peer, pickup, scale, startup, windows
from tests.bench.figures import Row, table
from tests.bench.session import running_session


def _startup(folder: Path) -> list[Row]:
    with running_session(folder, "startup") as session:
        return startup.measure(session)


def _disk(folder: Path) -> list[Row]:
    with running_session(folder, "disk") as session:
        return pickup.on_disk(session)


def _up(folder: Path) -> list[Row]:
    with running_session(folder, "up") as session:
        return pickup.to_up(session, folder)


def _windows(folder: Path) -> list[Row]:
    with running_session(folder, "windows") as session:
        return windows.measure(session)


GROUPS: dict[str, tuple[str, Callable[[Path], list[Row]]]] = {
    "startup": ("starting commands", _startup),
    "disk": ("dropping targets", _disk),
    "blind": ("dropping targets on a mount that inotify does not see", blind.measure),
    "scale": (f"dropping {scale.FILES:,} targets", scale.measure),
    "calls": ("counting system calls", calls.measure),
    "windows": (f"closing {windows.WINDOWS} windows at once", _windows),
    "peer": (f"collecting {peer.HOUR.samples:,} samples, beside a peer", peer.measure),
    "samples": (f"collecting {peer.LARGE.samples:,} samples", peer.measure_large),
    "many": (f"collecting {peer.MANY.nodes:,} targets", peer.measure_many),
    "up": (f"dropping targets until they are up, {pickup.TRIALS} times: two minutes at most", _up),
}


def main() -> None:
    """Run the groups that are asked for and print one table."""
    asked = _parse(sys.argv[1:])
    rows: list[Row] = []
    with TemporaryDirectory(prefix="monitord-bench-") as temporary:
        print(machine.facts(Path(temporary)), end="\n\n", flush=True)
        for name in asked:
            what, measure = GROUPS[name]
            print(f"bench: {what}", file=sys.stderr, flush=True)
            folder = Path(temporary) / name
            folder.mkdir()
            rows += measure(folder)
    print(table(rows))


def _parse(arguments: list[str]) -> list[str]:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure monitord's speed.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"default: all of {', '.join(GROUPS)}")
    asked: list[str] = parser.parse_args(arguments).groups
    unknown = [name for name in asked if name not in GROUPS]
    if unknown:
        parser.error(f"no group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    return asked or list(GROUPS)


if __name__ == "__main__":
    main()
