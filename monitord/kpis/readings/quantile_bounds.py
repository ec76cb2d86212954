"""Between which bucket bounds a quantile lies for certain, from bounds of what each bucket counted. Pure.

L(k) and H(k) are the least and most that can have been observed at or below the bucket bound k, L and H the
same of all observations. Then at least L - L(k) and at most H - H(k) lay above k, for both ends of each
difference rest on the same two samples. So the share at or below k is at most H(k) / (H(k) + L - L(k)) and at
least L(k) / (L(k) + H - H(k)). Where the most is below q, the q-quantile lies above k. Where the least
reaches q, it does not. Of a histogram without a bound k, those above k are at least those above its next
bound, and at most those above its bound before.
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
    q: float,
    bounds: Sequence[float],
    within: tuple[Sequence[float], Sequence[float]],
    above: tuple[Sequence[float], Sequence[float]],
) -> Between:
    """Return the tightest bucket bounds around the q-quantile (0 < q < 1).

    `bounds` are the upper bounds of the buckets in order, the last one infinite; `within` is the least and
    the most that was observed at or below each, `above` the same above each.
    """
    below, reached = -math.inf, math.inf
    for bound, least, most, least_above, most_above in zip(bounds, *within, *above, strict=True):
        if _share(most, least_above) < q:
            below = bound
        elif _share(least, most_above) >= q:
            reached = bound
            break
    return Between(below, reached)


def _share(part: float, rest: float) -> float:
    """Return the share of a part; where nothing is known of either, NaN, which compares as False."""
    whole = part + rest
    if whole <= 0 or math.isinf(part):
        return math.nan
    return part / whole
