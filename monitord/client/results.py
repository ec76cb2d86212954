"""The results of a window: reading them, copying them, and judging them by verdict and SLO conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.errors import IncompleteDataError, InvalidInputError, SloBreachedError
from monitord.session.folder import Session
from monitord.system.atomic import read_json


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The artifact folder of a collected window, and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    def conditions(self, status: str | None = None) -> list[tuple[str, str]]:
        """Return each SLO condition's status and what was measured, in words."""
        from monitord.artifacts.junit import slo_text

        found = [(str(result["status"]), slo_text(result)) for result in self.manifest.get("slo", [])]
        return [each for each in found if status in (None, each[0])]

    def refuse_breach(self) -> None:
        """Raise SloBreachedError when a condition was breached."""
        if breached := self._those("breached"):
            raise SloBreachedError(f"the window breached {breached}")

    def refuse_incomplete(self) -> None:
        """Raise IncompleteDataError unless the window is complete."""
        if self.manifest["status"] != "complete":
            reasons = "; ".join(reason["message"] for reason in self.manifest["reasons"])
            status = self.manifest["status"]
            verdict = "failed" if status == "failed" else f"is {status}"
            raise IncompleteDataError(f"the window {verdict}: {reasons}")

    def refuse_undecided(self) -> None:
        """Raise IncompleteDataError when a condition is unknown: none passes without data."""
        if unknown := self._those("unknown"):
            raise IncompleteDataError(f"not decided: {unknown}")

    def copy_to(self, folder: Path) -> None:
        """Copy the results, the manifest last: a folder that has it is complete."""
        import shutil

        from monitord.artifacts.layout import MANIFEST

        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns(MANIFEST), dirs_exist_ok=True)
        shutil.copy2(self.folder / MANIFEST, folder / MANIFEST)

    def write_junit(self, file: Path) -> None:
        """Write the verdict and the conditions as JUnit XML. Raises OSError."""
        from monitord.artifacts.junit import window_junit

        file.write_bytes(window_junit(self.manifest))

    def _those(self, status: str) -> str:
        return "; ".join(text for _, text in self.conditions(status))


def result_of(session: Session, window_id: str) -> WindowResult:
    """Return the result of a window that is done. Raises InvalidInputError."""
    from monitord.artifacts.layout import MANIFEST

    folder = session.artifacts / window_id
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict):
        raise InvalidInputError(f"{folder} has no {MANIFEST}; collect window {window_id} again")
    return WindowResult(folder, manifest)
