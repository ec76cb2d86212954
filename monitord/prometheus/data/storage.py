"""Prometheus's data folder: does it take writes, and what to do with data that it refuses.

Nothing is ever deleted: data are moved aside under a dated name beside the folder, at most KEPT
times; after that somebody has to look, for it is the disk that fails then.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from monitord.errors import PrometheusError
from monitord.system.atomic import open_new
from monitord.system.folders import make_folders
from monitord.system.listing import paths_in

KEPT = 3
TRIAL_BYTES = 1024 * 1024
"""Enough for what Prometheus writes in the seconds until the next trial."""

_TRIAL = ".monitord-trial"


@dataclass(frozen=True, slots=True)
class Storage:
    """The folder with the time series database."""

    folder: Path

    def try_writing(self) -> str:
        """Write, sync and remove a file there; return why it cannot be done, empty when it can.

        Quotas and read-only mounts show here, where no number of free bytes tells of them.
        """
        trial = self.folder / _TRIAL
        try:
            make_folders(self.folder)
            trial.unlink(missing_ok=True)  # what a crash left
            descriptor = open_new(trial)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(bytes(TRIAL_BYTES))
                    file.flush()
                    os.fsync(descriptor)
            finally:
                trial.unlink()
        except OSError as error:
            return f"{self.folder} cannot be written: {error.strerror or error}"
        return ""

    def set_asides(self) -> tuple[Path, ...]:
        """Return what was moved aside, oldest first. Raises OSError."""
        prefix = f"{self.folder.name}.refused-"
        return tuple(paths_in(self.folder.parent, prefix, missing_ok=True))

    def may_set_aside(self) -> bool:
        """Say whether data may be moved aside once more. Raises OSError: then it is not known."""
        return len(self.set_asides()) < KEPT

    def set_aside(self, now: float) -> Path:
        """Move the data out of the way; return where they are now. Raises PrometheusError.

        `now` is in Unix seconds.
        """
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        aside = self.folder.with_name(f"{self.folder.name}.refused-{stamp}")
        try:
            self.folder.rename(aside)
            self.folder.mkdir(mode=0o700)
        except OSError as error:
            raise PrometheusError(
                f"{self.folder} cannot be moved aside ({error.strerror}): move it by hand, "
                "or set prometheus.data_dir to another folder"
            ) from error
        return aside
