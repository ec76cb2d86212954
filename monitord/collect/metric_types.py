"""The types of metrics, as exporters declare them, or else by their names. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

Metadata = Mapping[str, Sequence[Mapping[str, str]]]
"""What Prometheus knows of each metric, by its name: type, help and unit, once for each variant."""

UNKNOWN = "unknown"
COUNTER = "counter"
_OF_HISTOGRAMS = ("_bucket", "_count", "_sum")
_OF_COUNTERS = ("_total", *_OF_HISTOGRAMS)
_IN_PARTS = frozenset({"histogram", "summary"})
_OF_SCRAPES = frozenset(
    {
        "up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling",
        "scrape_series_added", "scrape_body_size_bytes", "scrape_timeout_seconds", "scrape_sample_limit",
    }
)  # fmt: skip
"""The gauges that Prometheus adds to every target, without declaring them."""


class MetricTypes:
    """The types of a session's metrics.

    A metric has one type in all targets: where their declarations differ, the first one by the alphabet
    counts, so that the answer does not depend on their order.
    """

    def __init__(self, metadata: Metadata) -> None:
        self._declared = {
            name: min(types)
            for name, variants in metadata.items()
            if (types := {each.get("type", UNKNOWN) for each in variants} - {UNKNOWN, "untyped", ""})
        }
        self.of = lru_cache(maxsize=65_536)(self._of)

    def _of(self, name: str) -> tuple[str, bool]:
        """Return the type of a series' metric, and whether its values count something up.

        The parts of histograms and summaries have the type of the whole. OpenMetrics declares a counter
        without `_total`.
        """
        if name in _OF_SCRAPES:
            return "gauge", False
        is_counted = name.endswith(_OF_COUNTERS)
        found = self._declared.get(name) or (self._of_whole(name) if is_counted else None)
        if found is None:
            return (COUNTER, True) if is_counted else (UNKNOWN, False)
        is_part = found in _IN_PARTS and name.endswith(_OF_HISTOGRAMS)
        return found, found == COUNTER or is_part

    def _of_whole(self, name: str) -> str | None:
        """Return the type of the metric that this one is a part of, if that is declared."""
        whole, _, ending = name.rpartition("_")
        found = self._declared.get(whole)
        is_part = found == COUNTER if ending == "total" else found in {*_IN_PARTS, "gaugehistogram"}
        return found if is_part else None
