"""Restore the newest snapshot into an empty data folder, so that a session keeps its history.

The blocks are staged in the data folder first, and moved into place when all of them are on disk; an
interrupted restore is finished by the next call. Prometheus must not be running.
"""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path

from monitord.prometheus.data.blocks import Span
from monitord.prometheus.data.snapshot_store import (
    Snapshot,
    SnapshotError,
    blocks_in,
    complete_snapshots,
    span_in,
)
from monitord.system.atomic import TEMPORARY_PREFIX, sync_folder
from monitord.system.copies import copy_tree_synced
from monitord.system.listing import files_below, paths_in

_STAGED = "restoring-"
_HEAD = ("wal", "wbl", "chunks_head")
_MAY_PASS = frozenset(
    {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN, errno.ENOTCONN, errno.ESHUTDOWN}
)


@dataclass(frozen=True, slots=True)
class Restored:
    """The restored snapshot's name, and the time that it covers."""

    snapshot: str
    span: Span


def restore(snapshots: Path, data_dir: Path) -> Restored | None:
    """Restore the newest complete snapshot into a data folder without data.

    None if the folder holds data or there is no snapshot. Raises SnapshotError when it cannot be restored,
    and OSError when that may pass, as it is not known then what the folders hold. Afterwards
    the data folder is unchanged, or the next call continues where this one stopped.
    """
    try:
        staged = next(iter(paths_in(data_dir, _STAGED)), None)
        if staged is None and not holds_data(data_dir):
            newest = next(iter(complete_snapshots(snapshots)), None)
            staged = _stage(newest, data_dir) if newest else None
        if staged is None:
            return None
        _move_in(staged, data_dir)
        return Restored(staged.name.removeprefix(_STAGED), span_in(data_dir))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _MAY_PASS:
            raise
        reason = getattr(error, "strerror", None) or error
        raise SnapshotError(
            f"the newest snapshot in {snapshots} could not be restored into {data_dir}: {reason}"
        ) from error


def holds_data(data_dir: Path) -> bool:
    """Return whether there is a block, or any sample in the write-ahead log. Raises OSError."""
    if blocks_in(data_dir):
        return True
    # Prometheus creates an empty log when it starts.
    heads = (path for path in paths_in(data_dir) if path.name in _HEAD)
    return any(file.stat().st_size for head in heads for file in files_below(head))


def _stage(snapshot: Snapshot, data_dir: Path) -> Path:
    building = data_dir / f"{TEMPORARY_PREFIX}{_STAGED}"
    shutil.rmtree(building, ignore_errors=True)
    try:
        building.mkdir(mode=0o700)
        for block in snapshot.blocks:
            copy_tree_synced(block, building / block.name)
        sync_folder(building)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    staged = building.rename(data_dir / f"{_STAGED}{snapshot.folder.name}")
    sync_folder(data_dir)
    return staged


def _move_in(staged: Path, data_dir: Path) -> None:
    for block in blocks_in(staged):
        block.rename(data_dir / block.name)
    sync_folder(data_dir)
    staged.rmdir()
