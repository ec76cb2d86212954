"""`python -m tests.bench`: every measure of speed, as a ratio to a floor or a peer of the same run.

Times drift with the machine and with what else runs on it; ratios hold. That is also why no test
asserts a time.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import machine, pickup, startup
from tests.bench.figures import table
from tests.bench.session import running_session


def main() -> None:
    """Run it all and print one table."""
    with TemporaryDirectory(prefix="monitord-bench-") as temporary:
        folder = Path(temporary)
        print(machine.facts(folder), end="\n\n", flush=True)
        with running_session(folder, "bench") as session:
            _say("starting commands")
            rows = startup.measure(session)
            _say("dropping targets")
            rows += pickup.on_disk(session)
            _say(f"dropping targets until they are up, {pickup.TRIALS} times: two minutes at most")
            rows += pickup.to_up(session, folder)
    print(table(rows))


def _say(what: str) -> None:
    print(f"bench: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
