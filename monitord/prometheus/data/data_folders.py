"""Making the folders of a Prometheus where `placement` says, and measuring their room."""

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
    """A folder that is there now, and what the user should know of the choice."""

    location: Location
    warnings: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return self.location.folder


def make_data_folder(
    session: Session, setting: str | None, environment: Mapping[str, str] = os.environ
) -> Made:
    """Make the folder for the data; raises InvalidInputError when there is none to be had.

    One that the user named is not made here: it may be full, or away for a while, and is waited for.
    """
    chosen = Path(setting).absolute() if setting is not None else None
    own = session.folder.resolve()
    locations = data_locations(chosen, environment, own, session.data, os.geteuid())
    made = _make_first(locations) if setting is None else Made(locations[0], ())
    risk = network_warning(made.folder, file_system_of(made.folder))
    return Made(made.location, (*made.warnings, *((risk,) if risk else ())))


def make_run_folder(session: Session, environment: Mapping[str, str] = os.environ) -> Made:
    """Make the run folder; raises InvalidInputError when there is none to be had."""
    own = session.folder.resolve()
    return _make_first(run_locations(environment, own, session.run_folder, os.geteuid(), file_system_of))


def lies_in_session(folder: Path, session: Session) -> bool:
    """Say whether a folder lies in the session's, links followed: then it is there on every node."""
    return folder.resolve().is_relative_to(session.folder.resolve())


def measure(folder: Path) -> tuple[int, int]:
    """Return how many bytes the folder's file system has free, and how many the folder takes of it.

    Raises OSError when the folder is not there or cannot be listed; what vanishes while it is measured
    does not count.
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
