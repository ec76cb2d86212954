"""Where the files are that come with monitord: recipes, the batch script."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def packaged(path: str) -> Path:
    """Return a packaged file or folder: of an installed package, or of the checkout.

    A wheel holds both `etc/` and `slurm/` of the checkout below `monitord/etc/`.
    """
    checkout = _PACKAGE.parent
    candidates = (_PACKAGE / "etc" / path, checkout / "etc" / path, checkout / path)
    return next((candidate for candidate in candidates if candidate.exists()), candidates[0])
