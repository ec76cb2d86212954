"""What a session's scrapes cost, when they have become many. Pure.

100,000 samples a second take a twelfth of a core to scrape (Prometheus 3.5), but ten minutes of them are
60 million, which take a minute or more to collect.
"""

from __future__ import annotations

MANY_SAMPLES_PER_SECOND = 100_000


def load_warning(series: int | None, scrape_interval: float) -> str | None:
    """Return a warning when so many series are scraped so often (seconds) that it costs much; else None."""
    rate = (series or 0) / scrape_interval
    if rate <= MANY_SAMPLES_PER_SECOND:
        return None
    return (
        f"{series:,} series every {scrape_interval:g} s are {rate:,.0f} samples/s: ten minutes hold"
        f" {600 * rate / 1e6:,.0f} million, and collecting them takes minutes; a longer scrape_interval, or"
        " `interval` in the largest targets, costs less"
    )
