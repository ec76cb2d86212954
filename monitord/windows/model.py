"""The values that windows are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reported:
    """A number that the client measured itself, for the same summary as the services' metrics."""

    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A closed window: what is to be measured. Times are Unix seconds, `start` < `end`.

    `recipes` names the recipes asked for; empty means all that are in force. `markers` holds the
    modification times (ns) of the marker files that ask for it, by name. `truncated` says that the
    daemon closed it, not its client. `warmup` and `cooldown` (seconds) at its start and its end are
    not measured. `owner_uid` is the user whose start or past-window marker it is.
    """

    id: str
    start: float
    end: float
    labels: Mapping[str, str] = field(default_factory=dict)
    recipes: tuple[str, ...] = ()
    slo: tuple[str, ...] = ()
    reported: Mapping[str, Reported] = field(default_factory=dict)
    markers: Mapping[str, int] = field(default_factory=dict)
    truncated: bool = False
    owner_uid: int | None = None
    warmup: float = 0.0
    cooldown: float = 0.0

    @property
    def seconds(self) -> float:
        return self.end - self.start

    def measured(self, warmup: float = 0.0, cooldown: float = 0.0) -> tuple[float, float]:
        """Return from when to when the window is measured, with a longer warm-up or cool-down if given.

        If they leave nothing, that is all of it.
        """
        start, end = self.start + max(self.warmup, warmup), self.end - max(self.cooldown, cooldown)
        return (start, end) if start < end else (self.start, self.end)

    @property
    def is_all_warmup(self) -> bool:
        """Whether warm-up and cool-down leave nothing to be measured."""
        return self.warmup + self.cooldown >= self.seconds
