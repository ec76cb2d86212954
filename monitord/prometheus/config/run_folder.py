"""The run folder: all that Prometheus reads, kept where it does not go away.

Prometheus opens web.yml and the certificate for every single request, and answers 500 without them; it
cannot start without its configuration, and drops its targets without file_sd. While the shared file system
hangs it serves, scrapes and starts all the same: the session folder has copies, for people.
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
    """A private folder on this node for the files that belong to one run of the daemon."""

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
        """The password of the Prometheus that runs now; the session's copy may be late."""
        return self.folder / PASSWORD

    def make(self) -> None:
        """Make the folder, or see that the one that is there can be used; raises InvalidInputError."""
        make_folder(self.folder, self.location.scratch)
        make_folder(self.file_sd)

    def refresh(self, files: Mapping[str, bytes]) -> None:
        """Make the folder hold these files, readable for their owner alone, whatever became of it.

        Nothing is written that is there already. Raises InvalidInputError when the folder is no
        longer to be trusted, and OSError when a file cannot be written.
        """
        self.make()
        remove_leftovers(self.folder)
        for name, content in files.items():
            publish(self.folder / name, content, _OWNER_ONLY)

    def remove(self) -> None:
        """Remove the folder, and in scratch the session's folder around it unless data lie there."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.location.scratch is not None:
            with contextlib.suppress(OSError):
                self.folder.parent.rmdir()
