"""When the published status of something that is gone is removed."""

from __future__ import annotations

from dataclasses import dataclass, field

AT_ONCE = 100
"""How many are removed per round: everything else waits for the round, and nothing for a removal."""


@dataclass(slots=True)
class Expiry:
    """Names of what is gone, with the time (Unix seconds); their status is kept for `keep` seconds."""

    keep: float
    _since: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, since: float) -> None:
        """Note that something is gone."""
        self._since[name] = since

    def forget(self, name: str) -> None:
        """Note that something is back, or that its status has been removed."""
        self._since.pop(name, None)

    def due(self, now: float) -> list[str]:
        """Return those that are gone for long enough."""
        return [name for name, since in self._since.items() if now - since >= self.keep]
