"""For tests in which no other daemon can take a session over."""

from __future__ import annotations

from pathlib import Path

from monitord.artifacts.attempt import Attempt
from monitord.artifacts.store import Permit
from monitord.session.held import HeldSession


def unguarded() -> None:
    """Never refuse."""


def held_session(root: Path, name: str = "s") -> HeldSession:
    """Return a session that nobody else can take."""
    return HeldSession(root, name, unguarded)


def permit(attempt: Attempt | None = None) -> Permit:
    """Return the right to publish artifacts, of which only an abandoned attempt takes anything away."""
    return Permit(attempt or Attempt(), unguarded)
