"""The queries that read all raw samples of a window, each with an answer that fits in memory. Pure.

A raw sample is read by a range selector, never by a range query: it comes with its own time, and
with no value carried over from before. One answer has all samples of some targets, so that these are measured
before the next answer is read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from monitord.kpis.promql import quote, session_matchers
from monitord.kpis.readings.target_samples import COUNT_SUFFIX, OF_SCRAPES
from monitord.kpis.span import InstantQuery, Span
from monitord.prometheus.api.series import Answer

T = TypeVar("T")

MAX_SAMPLES = 100_000
"""About how many samples one answer may hold: some 3 MB as JSON, and as much again decoded."""
NATIVE_SIZE = 20
"""Which samples are native histograms is not known before they are read: each may be as large as so many."""
OWN_SERIES = 6
"""How many series Prometheus itself adds to each target: up, scrape_duration_seconds and others."""


class Endpoint(NamedTuple):
    """The labels that Prometheus gives each target."""

    job: str
    instance: str


class SampleQuery(NamedTuple):
    """A query for samples of one job."""

    job: str
    query: InstantQuery


def scrapes_query(span: Span) -> InstantQuery:
    """Return the query for how many scrapes of each target there are, in the window and around it."""
    return span.at_latest(f"sum by (job, instance) (count_over_time(up{{{_session(span)}}}{span.around}))")


def sizes_query(span: Span) -> InstantQuery:
    """Return the query for how many samples these scrapes brought in."""
    scraped = f"sum_over_time(scrape_samples_scraped{{{_session(span)}}}{span.around})"
    return span.at_latest(f"sum by (job, instance) ({scraped})")


def sizes(scrapes: Answer, scraped: Answer) -> dict[Endpoint, int]:
    """Return about how many samples each target has, by the answers to the two queries."""
    own = {_endpoint(each.labels): OWN_SERIES * round(each.value) for each in scrapes.series}
    found = {_endpoint(each.labels): round(each.value) for each in scraped.series}
    return {endpoint: size + found.get(endpoint, 0) for endpoint, size in sorted(own.items())}


def metrics_query(span: Span, endpoint: Endpoint) -> InstantQuery:
    """Return the query for how many series each metric of one target has."""
    series = f"last_over_time({_of(span, [endpoint])}{span.around})"
    return span.at_latest(f"count by (__name__) ({series})")


def sample_queries(
    span: Span, targets: Mapping[Endpoint, int], most: int = MAX_SAMPLES
) -> Iterator[SampleQuery | Endpoint]:
    """Yield the queries that together read every sample, each of them once, job by job.

    `targets` has the number of samples of each. A target that alone has more than `most` is yielded itself:
    its metrics are to be asked for, and read by `metric_queries`.
    """
    by_job: dict[str, list[Endpoint]] = defaultdict(list)
    for endpoint in targets:
        by_job[endpoint.job].append(endpoint)
    for job, endpoints in by_job.items():
        small = [endpoint for endpoint in endpoints if targets[endpoint] <= most]
        for together in _packed(small, targets, most):
            yield SampleQuery(job, span.read(_of(span, together)))
        yield from (endpoint for endpoint in endpoints if targets[endpoint] > most)


def metric_queries(
    span: Span, endpoint: Endpoint, size: int, metrics: Answer, most: int = MAX_SAMPLES
) -> Iterator[SampleQuery]:
    """Yield the queries for one target, some of its metrics in each; the first has what all others rest on.

    `size` is how many samples the target has, `metrics` answers `metrics_query`.
    """
    series = {each.labels["__name__"]: round(each.value) for each in metrics.series}
    samples = {name: count * size // sum(series.values()) for name, count in series.items()}
    first = [name for name in samples if name in OF_SCRAPES or name.endswith(COUNT_SUFFIX)]
    others = _packed(sorted(samples.keys() - set(first)), samples, most)
    for together in filter(None, (sorted(first), *others)):
        named = f"__name__=~{quote('|'.join(map(re.escape, together)))}"
        yield SampleQuery(endpoint.job, span.read(_of(span, [endpoint], named)))


def _packed(names: Iterable[T], sizes: Mapping[T, int], most: int) -> Iterator[list[T]]:
    together: list[T] = []
    size = 0
    for name in names:
        if together and size + sizes[name] > most:
            yield together
            together, size = [], 0
        together.append(name)
        size += sizes[name]
    if together:
        yield together


def _of(span: Span, endpoints: Sequence[Endpoint], more: str = "") -> str:
    instances = quote("|".join(re.escape(each.instance) for each in endpoints))
    matchers = (_session(span), f"job={quote(endpoints[0].job)}", f"instance=~{instances}", more)
    return f"{{{','.join(filter(None, matchers))}}}"


def _session(span: Span) -> str:
    return session_matchers(span.session)


def _endpoint(labels: Mapping[str, str]) -> Endpoint:
    return Endpoint(labels.get("job", ""), labels.get("instance", ""))
