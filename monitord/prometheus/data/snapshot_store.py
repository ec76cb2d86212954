"""Snapshots of Prometheus's data in the session folder, for the session's next run on another node.

Prometheus writes a snapshot beside its data. It is copied under a temporary name, with every file synced and
its manifest last, and then renamed. An interrupted copy leaves earlier snapshots unchanged.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from monitord.errors import MonitordError
from monitord.prometheus.data.blocks import Span, is_block, span_of
from monitord.system.atomic import TEMPORARY_PREFIX, read_json, sync_folder, to_json, write_synced
from monitord.system.copies import copy_tree_synced
from monitord.system.listing import files_below, paths_in
from monitord.system.timestamps import to_iso

MANIFEST = "snapshot.json"
SCHEMA = "monitord/snapshot/v1"

_KEPT = 2
_LOCAL = "snapshots"  # where Prometheus puts them, in its data folder
_one_at_a_time = threading.Lock()


class SnapshotError(MonitordError):
    """A snapshot could not be taken or restored; earlier ones are unchanged."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A complete snapshot in the session folder."""

    folder: Path
    span: Span
    bytes: int

    @property
    def blocks(self) -> tuple[Path, ...]:
        return blocks_in(self.folder)


@contextlib.contextmanager
def written_snapshot(request: Callable[[], str], data_dir: Path) -> Iterator[Path]:
    """Have Prometheus write a snapshot and yield its folder, which is removed afterwards.

    `request` is `PrometheusClient.snapshot`. Raises PrometheusError when Prometheus cannot write one, and
    OSError when the folder cannot be removed.
    """
    local = data_dir / _LOCAL
    with _one_at_a_time:
        try:
            _remove(local)  # left by an interrupted snapshot
            yield local / request()
        finally:
            with contextlib.suppress(OSError):
                _remove(local)


def take_snapshot(
    request: Callable[[], str],
    data_dir: Path,
    snapshots: Path,
    now: float,
    version: str | None,
    confirm: Callable[[], None],
) -> Snapshot | None:
    """Have Prometheus write a snapshot, store it in the session folder, and delete all but the newest two.

    `request` is `PrometheusClient.snapshot`; `confirm` may refuse by raising before the snapshot appears.
    None if there are no data yet. Raises SnapshotError, and PrometheusError when Prometheus cannot write
    one. Nothing is left behind then.
    """
    try:
        with written_snapshot(request, data_dir) as written:
            return _keep(written, snapshots, now, version, confirm) if blocks_in(written) else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SnapshotError(f"no snapshot could be stored in {snapshots}: {reason}") from error


def complete_snapshots(snapshots: Path, *, pass_over_errors: bool = False) -> list[Snapshot]:
    """Return the complete snapshots, the one with the newest samples first. Raises OSError.

    `pass_over_errors` skips those that cannot be read.
    """
    passed_over = OSError if pass_over_errors else FileNotFoundError
    found = []
    for folder in paths_in(snapshots, missing_ok=True):
        with contextlib.suppress(passed_over, NotADirectoryError):
            found += [snapshot] if (snapshot := _read(folder)) else []
    return sorted(found, key=lambda snapshot: (snapshot.span.newest, snapshot.folder.name), reverse=True)


def blocks_in(folder: Path) -> tuple[Path, ...]:
    """Return the blocks in a folder, in the order of their creation."""
    return tuple(entry for entry in paths_in(folder) if is_block(entry.name))


def span_in(folder: Path) -> Span:
    """Return the time that the blocks in a folder cover. Raises OSError, and ValueError when there are
    none.
    """
    return span_of((block / "meta.json").read_bytes() for block in blocks_in(folder))


def _keep(
    written: Path, snapshots: Path, now: float, version: str | None, confirm: Callable[[], None]
) -> Snapshot:
    snapshots.mkdir(mode=0o700, exist_ok=True)
    _remove_leftovers(snapshots)
    moment = datetime.fromtimestamp(now, UTC)
    name = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z"
    building, target = snapshots / f"{TEMPORARY_PREFIX}{name}", snapshots / name
    try:
        total = copy_tree_synced(written, building)
        span = span_in(building)
        write_synced(building / MANIFEST, to_json(_manifest(building, span, total, now, version)))
        sync_folder(building)
        confirm()
        building.rename(target)
        sync_folder(snapshots)
    except BaseException:
        _remove(building)
        raise
    for superseded in complete_snapshots(snapshots, pass_over_errors=True)[_KEPT:]:
        # Renamed first, so that a half-deleted one is not taken for a snapshot.
        _remove(superseded.folder.rename(snapshots / f"{TEMPORARY_PREFIX}{superseded.folder.name}"))
    return Snapshot(target, span, total)


def _manifest(folder: Path, span: Span, total: int, now: float, version: str | None) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "taken_at": to_iso(now),
        "prometheus_version": version,
        "from": to_iso(span.oldest),
        "to": to_iso(span.newest),
        "bytes": total,
        "blocks": [block.name for block in blocks_in(folder)],
    }


def _read(folder: Path) -> Snapshot | None:
    """Return the snapshot in a folder; None if it is not one, or incomplete. Raises OSError."""
    try:
        manifest = read_json(folder / MANIFEST)
        if folder.name.startswith(TEMPORARY_PREFIX) or not isinstance(manifest, dict):
            return None
        blocks = blocks_in(folder)
        total = sum(file.stat().st_size for block in blocks for file in files_below(block))
        is_whole = manifest.get("bytes") == total and manifest.get("blocks") == [b.name for b in blocks]
        return Snapshot(folder, span_in(folder), total) if is_whole else None
    except ValueError:
        return None


def _remove_leftovers(snapshots: Path) -> None:
    for leftover in paths_in(snapshots, TEMPORARY_PREFIX):
        _remove(leftover)


def _remove(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
