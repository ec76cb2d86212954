"""The settings in force, and the parts that follow a change of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from monitord.session.settings import Settings


@dataclass(slots=True)
class LiveSettings:
    """The settings by which the daemon runs now. A part that follows them registers where it is made."""

    current: Settings
    _followers: list[Callable[[Settings], None]] = field(default_factory=list)

    def follow(self, apply: Callable[[Settings], None]) -> None:
        """Have `apply` called with each new version."""
        self._followers.append(apply)

    def replace(self, settings: Settings) -> None:
        """Put other settings in force."""
        self.current = settings
        for apply in self._followers:
            apply(settings)
