"""When the published status of something that is gone has been there for long enough."""

from __future__ import annotations

from dataclasses import dataclass, field

AT_ONCE = 100
"""How many are removed in one round: nothing waits for it, and all else waits for the round."""


@dataclass(slots=True)
class Expiry:
    """Names of what is gone, and since when (Unix seconds); `keep` is for how long its status stays."""

    keep: float
    _since: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, since: float) -> None:
        """Take note that something has gone."""
        self._since[name] = since

    def forget(self, name: str) -> None:
        """Take note that something is there again, or its status gone as well."""
        self._since.pop(name, None)

    def due(self, now: float) -> list[str]:
        """Return those that went long enough ago."""
        return [name for name, since in self._since.items() if now - since >= self.keep]
