"""Prometheus's data folder: test whether it can be written, and move refused data aside.

Nothing is ever deleted: data are moved to a dated name beside the folder, at most KEPT times. After that the
disk itself is the likely cause, and a person has to look at it.
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
        """Write, sync and remove a file there; return why that fails, or an empty text.

        This also detects quotas and read-only mounts, which the free space does not show.
        """
        trial = self.folder / _TRIAL
        try:
            make_folders(self.folder)
            trial.unlink(missing_ok=True)  # left by a crash
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
        """Return the folders that were moved aside, oldest first. Raises OSError."""
        prefix = f"{self.folder.name}.refused-"
        return tuple(paths_in(self.folder.parent, prefix, missing_ok=True))

    def may_set_aside(self) -> bool:
        """Return whether data may be moved aside once more. Raises OSError if that cannot be determined."""
        return len(self.set_asides()) < KEPT

    def set_aside(self, now: float) -> Path:
        """Move the data aside; return their new folder. Raises PrometheusError.

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
