"""A session in the hands of its daemon: the only way to publish in its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monitord.session.folder import Session
from monitord.system.atomic import publish_confirmed


@dataclass(frozen=True)
class HeldSession(Session):
    """A session that this process holds; `confirm` raises HeldError once another one has taken it over."""

    confirm: Callable[[], None] = field(repr=False, compare=False)

    def publish(
        self, path: Path, content: bytes, mode: int | None = None, *, durable_name: bool = True
    ) -> bool:
        """Publish a file of the session as `atomic.publish` does, readable as `file_mode` says.

        `confirm` is called right before the file appears: writing it may have taken minutes.
        """
        mode = self.file_mode if mode is None else mode
        return publish_confirmed(path, content, mode, self.confirm, durable_name=durable_name)


def hold(session: Session, confirm: Callable[[], None]) -> HeldSession:
    """Return the session as its holder has it."""
    return HeldSession(session.root, session.name, confirm)
