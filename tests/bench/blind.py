"""From dropping a target file to file_sd where inotify sees nothing of the writer, as on Lustre.

The daemon has the session on a bindfs mount; the files are written into the folder behind it.
"""

from __future__ import annotations

from pathlib import Path

from monitord.session.folder import Session
from tests.bench.figures import Row, aimed, percentile, skipped
from tests.bench.pickup import drops_to_disk
from tests.bench.session import await_ready, created_session, running_daemon
from tests.fakes.blind_mount import BlindMount, UnavailableError, blind_mount

POLL_MS = 500.0
OVER_POLL_MS = 50.0
DROPS = 80
MEASURE = f"drop to file_sd on disk, blind mount polled every {POLL_MS:g} ms"


def measure(folder: Path) -> list[Row]:
    """Return the rows for a mount that is blind to the writer."""
    try:
        with blind_mount(folder) as mount:
            milliseconds = [1000 * seconds for seconds in _drops(mount, folder / "data")]
    except UnavailableError as error:
        return [skipped(MEASURE, error)]
    return [
        aimed(f"{MEASURE}, p50", percentile(milliseconds, 0.50), POLL_MS + OVER_POLL_MS, "ms"),
        Row(f"{MEASURE}, p99", f"{percentile(milliseconds, 0.99):.4g} ms"),
    ]


def _drops(mount: BlindMount, data: Path) -> list[float]:
    settings = {"watch__poll_interval": f"{POLL_MS:g}ms", "prometheus__data_dir": str(data)}
    session = created_session(mount.mounted, "blind", **settings)
    behind = Session(mount.backing, "blind")
    with running_daemon(session) as daemon:
        await_ready(session, daemon)
        return drops_to_disk(behind, behind.targets, DROPS, phase_seconds=POLL_MS / 1000)
