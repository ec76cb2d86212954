"""Where Prometheus's data lie, and where what it reads at every request does (pure).

The data belong on a disk of the node's own: Prometheus wants a POSIX file system, and a shared one
is none in all that counts. What it re-reads at every request must not go away with the session folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitord.mounts import NETWORK_TYPES, file_system_type


@dataclass(frozen=True, slots=True)
class DataPlace:
    """The folder of the data, and why it is that one.

    `is_ours` says that nobody named it, so that it must be made safely in a folder of everybody's.
    """

    folder: Path
    reason: str
    is_ours: bool = False


def data_place(
    setting: str | None, environment: Mapping[str, str], session_folder: Path, uid: int
) -> DataPlace:
    """Choose the data folder: what is set, else the job's scratch, else the session's own.

    `environment` is the daemon's; `session_folder` is absolute.
    """
    if setting:
        return DataPlace(Path(setting).absolute(), "prometheus.data_dir says so")
    scratch = environment.get("SLURM_TMPDIR"), "$SLURM_TMPDIR"
    if not scratch[0] and environment.get("SLURM_JOB_ID"):
        scratch = environment.get("TMPDIR"), "$TMPDIR"
    folder, source = scratch
    if folder:
        own = own_folder(Path(folder).absolute(), session_folder, uid)
        return DataPlace(own / "data", f"{source} is the job's own disk", is_ours=True)
    return DataPlace(session_folder / "prometheus" / "data", "no job's own disk is known")


def run_folder(environment: Mapping[str, str], session_folder: Path, uid: int) -> Path:
    """Return the node-local folder for what Prometheus reads at every request."""
    base = environment.get("SLURM_TMPDIR") or environment.get("TMPDIR") or "/tmp"  # noqa: S108  # made private
    return own_folder(Path(base).absolute(), session_folder, uid) / "run"


def own_folder(base: Path, session_folder: Path, uid: int) -> Path:
    """Return a session's folder in one that others use too, unique to the user and the session."""
    digest = hashlib.sha256(bytes(session_folder)).hexdigest()[:8]
    return base / f"monitord-{uid}" / f"{session_folder.name}-{digest}"


def risk(place: DataPlace, mounts: str) -> str:
    """Return what is wrong with where the data lie; empty when nothing is known to be."""
    kind = file_system_type(place.folder.parent, mounts)
    if kind not in NETWORK_TYPES:
        return ""
    return (
        f"Prometheus's data lie on {kind} ({place.folder}), where it is slow and may corrupt them; "
        "set prometheus.data_dir to a disk of the node's own"
    )


def retention_bytes(setting: int | None, free: int, held: int) -> int:
    """Return how large the data may grow: as set, else four fifths of what the disk can give them.

    `free` bytes are free there, and `held` are theirs already.
    """
    return setting if setting is not None else max((free + held) * 4 // 5, 1)
