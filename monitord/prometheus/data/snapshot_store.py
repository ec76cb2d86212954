"""Snapshots of Prometheus's data in the session folder, for the session's next run on another node.

Prometheus writes one beside its data; it is copied whole under a temporary name, every file synced,
its manifest last, and renamed. What breaks off leaves the earlier snapshots as they were.
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
    """A snapshot could not be taken or put back; the earlier ones are as they were."""


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
def written_snapshot(ask: Callable[[], str], data_dir: Path) -> Iterator[Path]:
    """Have Prometheus write a snapshot; give its folder, which is gone after the context.

    `ask` is `PrometheusClient.snapshot`.
    None when there are no data yet. Raises SnapshotError, and PrometheusError when Prometheus could not
    write one. Nothing is left behind then.
    """
    local = data_dir / _LOCAL
    with _one_at_a_time:
        try:
            _remove(local)  # what an earlier one left behind that broke off
            yield local / ask()
        finally:
            with contextlib.suppress(OSError):
                _remove(local)


def take_snapshot(
    ask: Callable[[], str],
    data_dir: Path,
    snapshots: Path,
    now: float,
    version: str | None,
    confirm: Callable[[], None],
) -> Snapshot | None:
    """Have Prometheus write a snapshot, keep it in the session folder, and drop all but the newest two.

    `ask` is `PrometheusClient.snapshot`; `confirm` may refuse by raising, before anything is seen of it.
    None when there are no data yet. Raises SnapshotError, and PrometheusError when Prometheus could not
    write one. Nothing is left behind then.
    """
    try:
        with written_snapshot(ask, data_dir) as written:
            return _keep(written, snapshots, now, version, confirm) if blocks_in(written) else None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SnapshotError(f"no snapshot could be kept in {snapshots}: {reason}") from error


def complete_snapshots(snapshots: Path, *, pass_over_errors: bool = False) -> list[Snapshot]:
    """Return the snapshots that are all there, the one with the newest samples first. Raises OSError.

    `pass_over_errors` leaves out those that cannot be read, as if they were not there.
    """
    passed_over = OSError if pass_over_errors else FileNotFoundError
    found = []
    for folder in paths_in(snapshots, missing_ok=True):
        with contextlib.suppress(passed_over, NotADirectoryError):
            found += [snapshot] if (snapshot := _read(folder)) else []
    return sorted(found, key=lambda snapshot: (snapshot.span.newest, snapshot.folder.name), reverse=True)


def blocks_in(folder: Path) -> tuple[Path, ...]:
    """Return the folders of the blocks in a folder, in the order in which they were made."""
    return tuple(entry for entry in paths_in(folder) if is_block(entry.name))


def span_in(folder: Path) -> Span:
    """Return what the blocks in a folder cover; raises OSError, and ValueError when there are none."""
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
        # Under a temporary name first: half of one must not be taken for a snapshot.
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
    """Return the snapshot in a folder, None when it is not one or not all of it is there. Raises OSError."""
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
