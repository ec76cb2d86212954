"""Choose where Prometheus's data and the run folder go, and how large the data may grow (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitord.system.mounts import is_network

if TYPE_CHECKING:
    from pathlib import Path

_SHARE_OF_ROOM = 0.8


@dataclass(frozen=True, slots=True)
class Location:
    """A candidate folder, and the reason for it.

    `scratch` is the shared folder for temporary files in which it is created, so that no part of the path
    below belongs to another user; None if the folder is not in scratch.
    """

    folder: Path
    reason: str
    scratch: Path | None = None


def data_locations(
    setting: Path | None, environment: Mapping[str, str], session: Path, in_session: Path, uid: int
) -> tuple[Location, ...]:
    """Return candidates for the data folder, best first; the next one is used if one cannot be.

    `setting` is `prometheus.data_dir`, absolute; it is then the only candidate. `session` is the session
    folder's real path, and `in_session` the data folder in it.
    """
    if setting is not None:
        return (Location(setting, "prometheus.data_dir"),)
    variables = ["SLURM_TMPDIR"]
    if environment.get("SLURM_JOB_ID"):
        variables.append("TMPDIR")
    return (
        *_below_variables(variables, environment, session, uid, "data"),
        Location(in_session, "the session folder"),
    )


def run_locations(
    environment: Mapping[str, str], session: Path, in_session: Path, uid: int, kind_of: Callable[[Path], str]
) -> tuple[Location, ...]:
    """Return candidates for the run folder, best first; local file systems come before network ones.

    `$XDG_RUNTIME_DIR` is not used: it is emptied when the user logs out, and a daemon may outlive that.
    `kind_of` returns the type of a folder's file system.
    """
    locations = (
        *_below_variables(("SLURM_TMPDIR", "TMPDIR"), environment, session, uid, "run"),
        _below(session / "/tmp", "/tmp", session, uid, "run"),  # noqa: S108  # created safely by scratch.py
        Location(in_session, "the session folder"),
    )
    return tuple(sorted(locations, key=lambda location: is_network(kind_of(location.folder))))


def network_warning(folder: Path, kind: str) -> str | None:
    """Return a warning about data on such a file system; None if there is no risk."""
    if not is_network(kind):
        return None
    return (
        f"{folder} is on {kind}, a network file system, where Prometheus may lose or corrupt its data "
        "beyond repair; set prometheus.data_dir to a folder on a local disk of the node"
    )


def retention_bytes(setting: int | None, free: int, held: int) -> int:
    """Return the maximum size of the data: the setting, or four fifths of the available space.

    `free` is the free space of the file system, and `held` what the data take now. Never 0, which
    means no limit to Prometheus.
    """
    return setting if setting is not None else max(1, int((free + held) * _SHARE_OF_ROOM))


def _below_variables(
    variables: Sequence[str], environment: Mapping[str, str], session: Path, uid: int, leaf: str
) -> tuple[Location, ...]:
    named = {name: environment.get(name, "") for name in variables}
    return tuple(
        _below(session / scratch, f"${name}", session, uid, leaf)  # an absolute path stays as it is
        for name, scratch in named.items()
        if scratch.startswith("/")
    )


def _below(scratch: Path, reason: str, session: Path, uid: int, leaf: str) -> Location:
    # Sessions in different roots may have the same name, and users share a node's scratch.
    digest = hashlib.sha256(str(session).encode(errors="surrogateescape")).hexdigest()[:8]
    return Location(scratch / f"monitord-{uid}" / f"{session.name}-{digest}" / leaf, reason, scratch)
