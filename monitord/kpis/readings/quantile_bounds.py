"""Between which bucket bounds a quantile lies for certain, from bounds of what each bucket counted. Pure.

L(k) and H(k) are the least and most that can have been observed at or below the bucket bound k, L and H the
same of all observations. Then at least L - L(k) and at most H - H(k) lay above k, for both ends of each
difference rest on the same two samples. So the share at or below k is at most H(k) / (H(k) + L - L(k)) and at
least L(k) / (L(k) + H - H(k)). Where the most is below q, the q-quantile lies above k. Where the least
reaches q, it does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Between(NamedTuple):
    """A quantile lies above `low` and at or below `high`; infinite where nothing is certain."""

    low: float
    high: float


def quantile_between(
    q: float, bounds: Sequence[float], low: Sequence[float], high: Sequence[float]
) -> Between:
    """Return the tightest bucket bounds around the q-quantile (0 < q < 1).

    `bounds` are the upper bounds of the buckets in order, the last one infinite; `low` and `high` the
    least and most that was observed at or below each.
    """
    all_low, all_high = low[-1], high[-1]
    above, within = -math.inf, math.inf
    for bound, least, most in zip(bounds, low, high, strict=True):
        if _share(most, all_low - least) < q:
            above = bound
        elif _share(least, _difference(all_high, most)) >= q:
            within = bound
            break
    return Between(above, within)


def _share(part: float, rest: float) -> float:
    """Return the share of a part; where nothing is known of either, NaN, which compares as False."""
    whole = part + rest
    if whole <= 0 or math.isinf(part):
        return math.nan
    return part / whole


def _difference(whole: float, part: float) -> float:
    return math.inf if math.isinf(whole) else max(0.0, whole - part)
