"""Where Prometheus's data lie, where its secrets do, and how much room the data may take (pure)."""

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
    """A folder that may be used, and why it is the one.

    `scratch` is the folder for everybody's temporary files that it is to be made in, with nothing of
    other users on the way; None where the folder is made as it is named.
    """

    folder: Path
    reason: str
    scratch: Path | None = None


def data_locations(
    setting: Path | None, environment: Mapping[str, str], session: Path, in_session: Path, uid: int
) -> tuple[Location, ...]:
    """Return where the data may lie, best first: what cannot be made or trusted gives way to the next.

    `setting` is `prometheus.data_dir`, absolute, which is the only choice then; `session` the session
    folder's real path and `in_session` the data's place in it.
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
    """Return where the run folder may lie, best first, this machine's own file systems before others.

    Not `$XDG_RUNTIME_DIR`: it is emptied when its user logs out, which a daemon may outlive.
    `kind_of` says what type of file system holds a folder.
    """
    locations = (
        *_below_variables(("SLURM_TMPDIR", "TMPDIR"), environment, session, uid, "run"),
        _below(session / "/tmp", "/tmp", session, uid, "run"),  # noqa: S108  # made with care there: scratch.py
        Location(in_session, "the session folder"),
    )
    return tuple(sorted(locations, key=lambda location: is_network(kind_of(location.folder))))


def network_warning(folder: Path, kind: str) -> str | None:
    """Return what to tell a user whose data lie on such a file system, None when there is no risk."""
    if not is_network(kind):
        return None
    return (
        f"{folder} is on {kind}, a network file system, where Prometheus may lose or corrupt its data "
        "beyond repair; set prometheus.data_dir to a folder on a local disk of the node"
    )


def retention_bytes(setting: int | None, free: int, held: int) -> int:
    """Return how many bytes of data to keep at most: the setting, or four fifths of what there is.

    `free` is what the file system has left, `held` what the data take of it now. Never 0, which
    Prometheus would take for no limit.
    """
    return setting if setting is not None else max(1, int((free + held) * _SHARE_OF_ROOM))


def _below_variables(
    variables: Sequence[str], environment: Mapping[str, str], session: Path, uid: int, leaf: str
) -> tuple[Location, ...]:
    named = {name: environment.get(name, "") for name in variables}
    return tuple(
        _below(session / scratch, f"${name}", session, uid, leaf)  # an absolute path is taken as it is
        for name, scratch in named.items()
        if scratch.startswith("/")
    )


def _below(scratch: Path, reason: str, session: Path, uid: int, leaf: str) -> Location:
    # Sessions of one name may lie in several roots, and users share a node's scratch.
    digest = hashlib.sha256(str(session).encode(errors="surrogateescape")).hexdigest()[:8]
    return Location(scratch / f"monitord-{uid}" / f"{session.name}-{digest}" / leaf, reason, scratch)
