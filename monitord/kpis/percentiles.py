"""Stats that are percentiles: p50, p99.9. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

_PERCENTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,3})?)", re.ASCII)


@lru_cache
def quantile_of(stat: str) -> float | None:
    """Return 0.999 for `p99.9`; None when the stat is no percentile between p0 and p100."""
    match = _PERCENTILE.fullmatch(stat)
    return float(Decimal(match[1]) / 100) or None if match else None
