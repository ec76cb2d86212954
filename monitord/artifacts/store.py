"""Publishing an artifact folder: it appears whole, with its manifest, or not at all.

A folder is built under a temporary name, every file synced, the manifest last, then renamed once.
An earlier folder of the window is moved aside first: a crash between the two renames leaves it
under its aside name, and `clean` puts it back. One process publishes into a session at a time, and one
thread per window. What it builds is named after the attempt, so that attempts do not mix.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from monitord.artifacts.attempt import Attempt
from monitord.artifacts.formats import count_csv_rows, json_bytes
from monitord.artifacts.layout import MANIFEST
from monitord.system.atomic import TEMPORARY_PREFIX, read_json, sync_folder, write_synced
from monitord.system.atomic import publish as replace_file
from monitord.system.copies import copy_synced
from monitord.system.listing import names_in

ASIDE_PREFIX = ".old-"


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to publish an attempt's artifacts; `confirm` raises when the session is not ours any more."""

    attempt: Attempt
    confirm: Callable[[], None]

    def check(self) -> None:
        """Raise if nothing may be changed."""
        self.confirm()
        self.attempt.check()

    def claim(self) -> None:
        """Raise if the artifacts must not appear; after this they may."""
        self.attempt.claim(self.confirm)


def publish(
    artifacts: Path,
    window_id: str,
    files: Mapping[str, bytes | Path],
    manifest: Mapping[str, Any],
    mode: int = 0o600,
    rows: Mapping[str, int] | None = None,
    *,
    permit: Permit,
) -> Path:
    """Make `artifacts/<window_id>` hold these files and the manifest; return that folder.

    `files` maps relative paths to content, or to a file to copy. `rows` gives the number of rows of
    files that are not CSV. `permit` may refuse by raising, right before others see anything change.
    Raises ValueError for a path that would leave the folder, and OSError when it cannot be written;
    then the earlier folder is unchanged.
    """
    for path in files:
        check_path(path)
    target, aside = artifacts / window_id, artifacts / f"{ASIDE_PREFIX}{window_id}"
    permit.check()
    _settle(aside, target)
    building = artifacts / f"{TEMPORARY_PREFIX}{window_id}-{permit.attempt.token}"
    try:
        _build(building, files, manifest, mode, rows or {})
        permit.claim()
        _swap(building, target, aside)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(building)
        raise
    with contextlib.suppress(OSError):  # published already; `clean` gets rid of the old one
        _remove(aside)
    return target


def renew(artifacts: Path, window_id: str, manifest: Mapping[str, Any], mode: int, permit: Permit) -> Path:
    """Give published artifacts another manifest, with the same files; return their folder.

    Raises OSError, and what `permit` raises; then the earlier manifest is unchanged.
    """
    folder = artifacts / window_id
    permit.check()
    permit.claim()
    replace_file(folder / MANIFEST, json_bytes(manifest), mode)
    return folder


def clean(artifacts: Path) -> None:
    """Remove what a crash left behind; nothing may be publishing at the same time."""
    for name in names_in(artifacts):
        if name.startswith(TEMPORARY_PREFIX):
            _remove(artifacts / name)
        elif name.startswith(ASIDE_PREFIX):
            _settle(artifacts / name, artifacts / name.removeprefix(ASIDE_PREFIX))


def check_path(path: str) -> None:
    """Raise ValueError for a path that an artifact file cannot have: it stays in its folder."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or path == MANIFEST:
        raise ValueError(f"{path!r} cannot be the path of an artifact file")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return a published folder's manifest, or None when there is none that can be read."""
    manifest = read_json(folder / MANIFEST)
    return manifest if isinstance(manifest, dict) else None


def _build(
    folder: Path,
    files: Mapping[str, bytes | Path],
    manifest: Mapping[str, Any],
    mode: int,
    rows: Mapping[str, int],
) -> None:
    _make_folder(folder, mode)
    entries = []
    folders = {folder}
    for path in sorted(files):
        file = folder / path
        for parent in reversed(file.relative_to(folder).parents[:-1]):
            if folder / parent not in folders:
                _make_folder(folder / parent, mode)
                folders.add(folder / parent)
        entries.append(_write(file, path, files[path], mode, rows.get(path)))
    write_synced(folder / MANIFEST, json_bytes({**manifest, "files": entries}), mode)
    for each in folders:
        sync_folder(each)


def _make_folder(folder: Path, mode: int) -> None:
    folder.mkdir(mode=0o700)
    # Readers of the files may enter; set-group-id is inherited, and a plain chmod would drop it.
    enter = (mode & 0o444) >> 2
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) & stat.S_ISGID | mode | enter)


def _write(file: Path, path: str, source: bytes | Path, mode: int, rows: int | None) -> dict[str, Any]:
    if isinstance(source, bytes):
        write_synced(file, source, mode)
        if path.endswith(".csv"):
            rows = count_csv_rows(source)
    else:
        copy_synced(source, file, mode)
    with file.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
        size = written.tell()
    return {"path": path, "bytes": size, "sha256": digest, "rows": rows}


def _swap(building: Path, target: Path, aside: Path) -> None:
    if target.exists():
        target.rename(aside)
    try:
        building.rename(target)
    except BaseException:
        if aside.exists():
            aside.rename(target)
        raise
    sync_folder(target.parent)


def _settle(aside: Path, target: Path) -> None:
    """Finish an interrupted replacement: put the old folder back, or remove it if it was replaced."""
    if not aside.exists():
        return
    if target.exists():
        _remove(aside)
    else:
        aside.rename(target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
