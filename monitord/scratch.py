"""Private folders in places that others write to as well, such as /tmp."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from monitord.errors import InvalidInputError


def make_private(folder: Path) -> None:
    """Have the last two levels of a path exist, both this user's alone.

    Somebody may have made them first, to read what is put there: what is a link or another
    user's is refused. Raises InvalidInputError, and OSError when it cannot be made.
    """
    for path in (folder.parent, folder):
        path.mkdir(mode=0o700, parents=path is not folder, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise InvalidInputError(
                f"{path} is a link or another user's, and not safe to use; "
                "remove it, or set TMPDIR or prometheus.data_dir to another place"
            )
        if stat.S_IMODE(found.st_mode) & 0o077:
            path.chmod(0o700)


def held_bytes(folder: Path) -> int:
    """Return how many bytes the files below a folder take; what vanishes meanwhile does not count."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(path) / name).st_size
            except OSError:
                continue
    return total
