"""The values that windows are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Window:
    """A closed window: what is to be measured. Times are Unix seconds, `start` < `end`.

    `recipes` names the recipes asked for; empty means all that are in force. `truncated` says that
    the daemon closed it, not its client.
    """

    id: str
    start: float
    end: float
    labels: Mapping[str, str] = field(default_factory=dict)
    recipes: tuple[str, ...] = ()
    truncated: bool = False

    @property
    def seconds(self) -> float:
        return self.end - self.start
