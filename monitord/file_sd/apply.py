"""Carrying out a plan on the file_sd folder."""

from __future__ import annotations

from pathlib import Path

from monitord.atomic import publish, remove_leftovers
from monitord.file_sd.plan import Plan


def read_actual(folder: Path) -> dict[str, bytes]:
    """Return what the folder holds; leftovers of an interrupted write are removed."""
    remove_leftovers(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def apply(plan: Plan, folder: Path) -> None:
    """Write and remove. Raises OSError at the first that fails; the rest is due again next time."""
    for name, content in plan.writes.items():
        publish(folder / name, content)
    for name in plan.removals:
        (folder / name).unlink(missing_ok=True)
