"""Stats that are the share of observations up to a threshold: `under 250 ms`. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from monitord.documents.units import convert

_UNDER = re.compile(r"under ([0-9]{1,12}(?:\.[0-9]{1,9})?) ?([A-Za-z%][A-Za-z0-9/%]{0,31})", re.ASCII)
SHARE_UNIT = "%"


class Threshold(NamedTuple):
    """A number and its unit."""

    value: float
    unit: str

    def within(self, unit: str, scale: float) -> float | None:
        """Return it as it is measured, where `scale` turns that into `unit`; None for another unit."""
        converted = convert(self.value, self.unit, unit)
        return None if converted is None else converted / scale


@lru_cache
def threshold_of(stat: str) -> Threshold | None:
    """Return 250 and ms for `under 250 ms`; None when the stat is no such share."""
    match = _UNDER.fullmatch(stat)
    return Threshold(float(match[1]), match[2]) if match else None
