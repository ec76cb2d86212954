"""Whether an artifact folder matches its manifest: all of its files, and no others."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.artifacts import parquet
from monitord.artifacts.formats import count_csv_rows
from monitord.artifacts.layout import MANIFEST
from monitord.artifacts.store import check_path, read_manifest
from monitord.errors import excerpt
from monitord.system.listing import files_below


@dataclass(frozen=True, slots=True, order=True)
class Difference:
    """A file that is not as it should be; `path` is relative to the folder."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{excerpt(self.path, 200)}: {self.message}"


def verify_files(folder: Path) -> list[Difference]:
    """Compare a folder with its manifest; return what differs, by path.

    A file is read as it lies there: links are not followed. Raises OSError when the folder cannot
    be listed.
    """
    manifest = read_manifest(folder)
    entries = _entries(manifest)
    if manifest is None or entries is None:
        return [Difference(MANIFEST, "is missing or not a manifest, so no file can be checked")]
    changed = (
        Difference(path, message)
        for path, entry in entries.items()
        for message in _differ(folder, path, entry)
    )
    extra = _files_in(folder) - entries.keys() - {MANIFEST}
    return sorted([*changed, *(Difference(path, "is not in the manifest") for path in extra)])


def _entries(manifest: dict[str, Any] | None) -> dict[str, dict[str, Any]] | None:
    """Return the manifest's files by path; None when it lists none that way."""
    try:
        entries = {entry["path"]: entry for entry in (manifest or {})["files"]}
        for path in entries:
            check_path(path)
    except (KeyError, TypeError, ValueError):
        return None
    return entries


def _differ(folder: Path, path: str, entry: dict[str, Any]) -> Iterator[str]:
    file = folder / path
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode):
            yield "is not a file"
            return
        if status.st_size != entry.get("bytes"):
            yield f"has {status.st_size} bytes, not {entry.get('bytes')}"
            return
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        if digest != entry.get("sha256"):
            yield f"has other content: its SHA-256 is {digest}, not {entry.get('sha256')}"
        elif (rows := _rows(file)) != entry.get("rows") and rows is not None:
            yield f"has {rows} rows, not {entry.get('rows')}"
    except FileNotFoundError:
        yield "is missing"
    except OSError as error:
        yield f"cannot be read: {error.strerror}"


def _rows(file: Path) -> int | None:
    """Return the number of rows; None when it has none, or cannot be read here."""
    if file.suffix == ".csv":
        return count_csv_rows(file.read_bytes())
    if file.suffix == ".parquet":
        return parquet.count_rows(file)
    return None


def _files_in(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in files_below(folder)}
