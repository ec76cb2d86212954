"""The queries that read all raw samples of a window, each with an answer that fits in memory. Pure.

A raw sample is read by a range selector, never by a range query: it comes with its own time, and
with no value carried over from before.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from monitord.kpis.promql import quote, session_matchers
from monitord.kpis.span import InstantQuery, Span
from monitord.prometheus.api.series import Answer

MAX_SAMPLES = 100_000
"""About how many samples one answer may hold: some 4 MB as JSON, several times that decoded."""
NATIVE_SIZE = 20
"""Which samples are native histograms is not known before they are read: each may be as large as so many."""


def series_query(span: Span) -> InstantQuery:
    """Return the query for how many series each metric of each job has in the window."""
    series = f"last_over_time({{{session_matchers(span.session)}}}{span.whole})"
    return span.at_end(f"count by (job, __name__) ({series})")


def scrapes_query(span: Span) -> InstantQuery:
    """Return the query for the most scrapes of any target of a job: so many samples a series may have."""
    scrapes = f"count_over_time(up{{{session_matchers(span.session)}}}{span.whole})"
    return span.at_end(f"max by (job) ({scrapes})")


def sample_queries(
    span: Span, series: Answer, scrapes: Answer, most: int = MAX_SAMPLES
) -> dict[str, list[InstantQuery]]:
    """Return by job the queries that together read every sample of the window, each of them once.

    `series` answers `series_query`, `scrapes` answers `scrapes_query`. An answer has about `most`
    samples, or one per series of a metric if that is more. Metrics come in the order of their names.
    """
    metrics: dict[str, dict[str, int]] = defaultdict(dict)
    for each in series.series:
        metrics[each.labels.get("job", "")][each.labels["__name__"]] = round(each.value)
    counts = {each.labels.get("job", ""): round(each.value) for each in scrapes.series}
    expected = round(span.seconds / span.interval) + 1
    return {
        job: list(_queries(span, job, metrics[job], counts.get(job, expected), most))
        for job in sorted(metrics)
    }


def _queries(
    span: Span, job: str, series: Mapping[str, int], scrapes: int, most: int
) -> Iterator[InstantQuery]:
    names: list[str] = []
    together = 0
    for name in sorted(series):
        samples = series[name] * scrapes
        if names and together + samples > most:
            yield from _parts(span, job, names, together, most)
            names, together = [], 0
        names.append(name)
        together += samples
    yield from _parts(span, job, names, together, most)


def _parts(span: Span, job: str, names: list[str], samples: int, most: int) -> Iterator[InstantQuery]:
    """Cut the window so that no part has too many samples; each millisecond is in one part only."""
    matchers = f"{session_matchers(span.session)},job={quote(job)},{_named(names)}"
    parts = max(1, min(-(-samples // most), span.length_ms // 2))
    start = span.end_ms - span.length_ms
    for part in range(parts):
        first = start + span.length_ms * part // parts + (part > 0)
        last = start + span.length_ms * (part + 1) // parts
        selector = f"{{{matchers}}}[{last - first + span.left_open}ms]"
        yield InstantQuery(selector, last / 1000)


def _named(names: list[str]) -> str:
    if len(names) == 1:
        return f"__name__={quote(names[0])}"
    return f"__name__=~{quote('|'.join(map(re.escape, names)))}"
