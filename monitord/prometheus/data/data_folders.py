"""Create Prometheus's folders where `data_location` says, and measure their size."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitord.errors import InvalidInputError
from monitord.prometheus.data.data_location import Location, data_locations, network_warning, run_locations
from monitord.session.folder import Session
from monitord.system.scratch import file_system_of, make_folder


@dataclass(frozen=True, slots=True)
class Made:
    """A folder that was created or exists, and warnings about the choice."""

    location: Location
    warnings: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return self.location.folder


def make_data_folder(
    session: Session, setting: str | None, environment: Mapping[str, str] = os.environ
) -> Made:
    """Create the data folder; raises InvalidInputError when none can be used.

    A folder that the user named is not created here: it may be full or unavailable for a while, and the
    daemon waits for it.
    """
    chosen = Path(setting).absolute() if setting is not None else None
    own = session.folder.resolve()
    locations = data_locations(chosen, environment, own, session.data, os.geteuid())
    made = _make_first(locations) if setting is None else Made(locations[0], ())
    risk = network_warning(made.folder, file_system_of(made.folder))
    return Made(made.location, (*made.warnings, *((risk,) if risk else ())))


def make_run_folder(session: Session, environment: Mapping[str, str] = os.environ) -> Made:
    """Create the run folder; raises InvalidInputError when none can be used."""
    own = session.folder.resolve()
    return _make_first(run_locations(environment, own, session.run_folder, os.geteuid(), file_system_of))


def lies_in_session(folder: Path, session: Session) -> bool:
    """Return whether a folder is inside the session folder (links resolved), so that every node has it."""
    return folder.resolve().is_relative_to(session.folder.resolve())


def measure(folder: Path) -> tuple[int, int]:
    """Return the free bytes of the folder's file system, and the bytes that the folder takes.

    Raises OSError when the folder does not exist or cannot be listed; files that vanish meanwhile do not
    count.
    """
    held = 0
    for path, _, names in os.walk(folder, onerror=_unless_vanished):
        for name in names:
            try:
                held += os.lstat(os.path.join(path, name)).st_blocks * 512  # noqa: PTH118  # many files
            except FileNotFoundError:
                continue
    return shutil.disk_usage(folder).free, held


def _unless_vanished(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _make_first(locations: Sequence[Location]) -> Made:
    refusals: list[str] = []
    last: InvalidInputError | None = None
    for location in locations:
        try:
            make_folder(location.folder, location.scratch)
        except InvalidInputError as error:
            refusals.append(f"{location.reason}: {error}")
            last = error
        else:
            return Made(location, tuple(refusals))
    raise InvalidInputError("; ".join(refusals)) from last
