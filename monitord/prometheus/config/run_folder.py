"""The run folder: everything that Prometheus reads, on the node's own disk.

Prometheus opens web.yml and the certificate for every request and answers 500 without them. It cannot start
without its configuration, and drops its targets without file_sd. From here it serves, scrapes and
starts also while the shared file system hangs. The session folder has copies for people.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitord.prometheus.config.web_access import PASSWORD
from monitord.prometheus.data.data_location import Location
from monitord.system.atomic import publish, remove_leftovers
from monitord.system.scratch import make_folder

_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A private folder on this node for the files of one run of the daemon."""

    location: Location

    @property
    def folder(self) -> Path:
        return self.location.folder

    @property
    def config(self) -> Path:
        """The prometheus.yml that is loaded."""
        return self.folder / "prometheus.yml"

    @property
    def file_sd(self) -> Path:
        return self.folder / "file_sd"

    @property
    def password_file(self) -> Path:
        """The current password; the copy in the session folder may lag behind."""
        return self.folder / PASSWORD

    def make(self) -> None:
        """Create the folder, or check that the existing one can be trusted; raises InvalidInputError."""
        make_folder(self.folder, self.location.scratch)
        make_folder(self.file_sd)

    def refresh(self, files: Mapping[str, bytes]) -> None:
        """Ensure that the folder holds these files, readable by their owner only.

        Unchanged files are not written. Raises InvalidInputError when the folder can no longer be
        trusted, and OSError when a file cannot be written.
        """
        self.make()
        remove_leftovers(self.folder)
        for name, content in files.items():
            publish(self.folder / name, content, _OWNER_ONLY)

    def remove(self) -> None:
        """Remove the folder, and in scratch also the session's folder above it unless it holds data."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.location.scratch is not None:
            with contextlib.suppress(OSError):
                self.folder.parent.rmdir()
