"""One number estimated from the samples of a window, with its bounds, or why there is none."""

from __future__ import annotations

import math
from typing import NamedTuple

# Reasons why a value is missing or incomplete.
METRIC_ABSENT = "metric_absent"
TARGET_DOWN = "target_down"
NO_TARGETS = "no_targets"
NO_OBSERVATIONS = "no_observations"
NOT_A_NUMBER = "not_a_number"
DIVISOR_ZERO = "divisor_zero"
BUCKETS_MISSING = "buckets_missing"
BUCKETS_RESPELT = "buckets_respelt"
MIXED_BUCKETS = "mixed_buckets"
ABOVE_HIGHEST_BUCKET = "above_highest_bucket"
FIRST_BUCKET = "first_bucket"
WIDE_BUCKET = "wide_bucket"
FEW_OBSERVATIONS = "few_observations"
SERIES_BORN = "series_born"
SERIES_ENDED = "series_ended"
COUNTER_RESET = "counter_reset"
SPARSE_SERIES = "sparse_series"
EDGE_UNCERTAIN = "edge_uncertain"
SEVERAL_SERIES = "several_series"
QUANTILE_ABSENT = "quantile_absent"
SUMMARY_NOT_MERGEABLE = "summary_not_mergeable"
SUMMARY_OWN_WINDOW = "summary_own_window"
LOW_COVERAGE = "low_coverage"
WINDOW_TOO_SHORT = "window_too_short"
QUERY_FAILED = "query_failed"

# The share of an increase that may have been counted before a counter was first seen without being reported.
UNSEEN_TOLERANCE = 0.001


class Bounds(NamedTuple):
    """The least and the most that a value can be; infinite where nothing limits it."""

    low: float
    high: float

    def per(self, divisor: Bounds) -> Bounds | None:
        """Return the bounds of a ratio of values that are not negative; None where it is undefined."""
        if divisor.high == 0 or math.isnan(self.low) or self.low < 0:
            return None
        high = self.high / divisor.low if divisor.low > 0 else math.inf
        low = 0.0 if math.isinf(divisor.high) else self.low / divisor.high
        return Bounds(low, high)

    def scaled(self, factor: float) -> Bounds:
        """Return the bounds in another unit."""
        return Bounds(self.low * factor, self.high * factor)


class Estimate(NamedTuple):
    """A stat's value, or None with the reason; `reason` with a value explains why it is incomplete.

    `n` is how many observations it rests on: for a histogram those in the window (a rounded increase), for
    a gauge its samples, for a counter its series, for a minimum or maximum of a counter the parts of the
    window compared. `bucket` is where a quantile lies, `bounds` what the true value is between for certain.
    `presence` is the smallest share of its target's scrapes that a series has a sample of."""

    value: float | None
    n: int | None = None
    bucket: Bounds | None = None
    reason: str = ""
    bounds: Bounds | None = None
    presence: float = 1.0

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate in another unit; what is not a number becomes an unknown value."""
        if self.value is None:
            return self
        if math.isnan(self.value):
            return Estimate(None, self.n, reason=NOT_A_NUMBER)
        if factor == 1:
            return self
        bucket, bounds = (each and each.scaled(factor) for each in (self.bucket, self.bounds))
        return self._replace(value=self.value * factor, bucket=bucket, bounds=bounds)

    @property
    def uncertainty(self) -> float:
        """How far the bounds are apart, as a share of the value; infinite where nothing limits it."""
        if self.value is None or self.bounds is None:
            return 0.0
        width = self.bounds.high - self.bounds.low
        if width == 0:
            return 0.0
        return width / abs(self.value) if self.value else math.inf
