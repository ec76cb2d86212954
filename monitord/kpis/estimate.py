"""One number estimated from what Prometheus answered, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

# Reasons why a value is missing or incomplete.
METRIC_ABSENT = "metric_absent"
TARGET_DOWN = "target_down"
NO_TARGETS = "no_targets"
TOO_FEW_SAMPLES = "too_few_samples"
NO_OBSERVATIONS = "no_observations"
NOT_A_NUMBER = "not_a_number"
DIVISOR_ZERO = "divisor_zero"
NO_COMMON_STEP = "no_common_step"
STEPS_MISSING = "steps_missing"
BUCKETS_MISSING = "buckets_missing"
BUCKETS_RESPELT = "buckets_respelt"
MIXED_BUCKETS = "mixed_buckets"
ABOVE_HIGHEST_BUCKET = "above_highest_bucket"
SERIES_BORN = "series_born"
SEVERAL_SERIES = "several_series"
QUANTILE_ABSENT = "quantile_absent"
SUMMARY_NOT_MERGEABLE = "summary_not_mergeable"
SUMMARY_OWN_WINDOW = "summary_own_window"
LOW_COVERAGE = "low_coverage"
QUERY_FAILED = "query_failed"

# The share of an increase that may be uncounted without being reported.
UNCOUNTED_TOLERANCE = 0.001


class Estimate(NamedTuple):
    """A stat's value, or None with the reason; `reason` with a value explains why it is incomplete.

    `n` is how many observations it rests on: for a histogram those in the window (a rounded
    increase), for a gauge its samples, for a counter its series, for a minimum or maximum of a
    counter the parts of the window compared. `low` and `high` bound a quantile's bucket.
    """

    value: float | None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate in another unit; what is not a number becomes an unknown value."""
        if self.value is None:
            return self
        if math.isnan(self.value):
            return Estimate(None, self.n, reason=NOT_A_NUMBER)
        if factor == 1:
            return self
        low = None if self.low is None else self.low * factor
        high = None if self.high is None else self.high * factor
        return Estimate(self.value * factor, self.n, low, high, self.reason)


def total(values: Iterable[float]) -> float:
    """Add up exactly; infinities that cancel out, or a sum past all floats, are not a number."""
    try:
        return math.fsum(values)
    except (ValueError, OverflowError):
        return math.nan


def divide(dividend: float, divisor: float, n: int | None, reason: str = "") -> Estimate:
    """Return a ratio; dividing by zero has no value rather than an infinite one."""
    if divisor == 0:
        return Estimate(None, n, reason=DIVISOR_ZERO)
    return Estimate(dividend / divisor, n, reason=reason)


def reason_uncounted(uncounted: float, increase: float) -> str:
    """Return a reason if counters born in the window started with much that their increase leaves out.

    Counters that exporters start at 0 are born without a loss.
    """
    return SERIES_BORN if uncounted > UNCOUNTED_TOLERANCE * (increase + uncounted) else ""
