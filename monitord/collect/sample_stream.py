"""The samples of a window, read in blocks of whole targets where they fit."""

from __future__ import annotations

from collections.abc import Iterator

from monitord.collect.queries import Queries
from monitord.collect.sample_queries import (
    Endpoint,
    SampleQuery,
    metric_queries,
    metrics_query,
    sample_queries,
    scrapes_query,
    sizes,
    sizes_query,
)
from monitord.kpis.span import Span
from monitord.prometheus.api.raw_samples import RawAnswer
from monitord.prometheus.api.sample_block import SampleBlock, to_block
from monitord.prometheus.api.series import Answer
from monitord.system.background import Workers


def sample_blocks(span: Span, queries: Queries, most: int) -> Iterator[tuple[str, SampleBlock]]:
    """Yield each job's samples, one block after another; while one is measured the next is fetched.

    A block has about `most` samples. One that Prometheus refuses is left out, and recorded.
    Raises PassingError when no thread can be started.
    """
    answers = _answers(span, queries, most)
    fetching: Workers[tuple[str, RawAnswer] | None] = Workers(1)
    try:
        following = fetching.submit(next, answers, None)
        while (found := following.result()) is not None:
            following = fetching.submit(next, answers, None)
            job, block = found[0], to_block(found[1].series)
            del found  # the text of an answer is as large as its samples
            yield job, block
    finally:
        fetching.close()


def _answers(span: Span, queries: Queries, most: int) -> Iterator[tuple[str, RawAnswer]]:
    for each in _sample_queries(span, queries, most):
        answer = queries.read("samples", each.query)
        if answer is not None:
            yield each.job, answer


def _sample_queries(span: Span, queries: Queries, most: int) -> Iterator[SampleQuery]:
    targets = _sizes(span, queries)
    for each in sample_queries(span, targets, most):
        if isinstance(each, SampleQuery):
            yield each
            continue
        metrics = queries.ask("metrics", metrics_query(span, each))
        if metrics is not None:
            yield from metric_queries(span, each, targets[each], metrics, most)


def _sizes(span: Span, queries: Queries) -> dict[Endpoint, int]:
    scrapes = queries.ask("targets", scrapes_query(span))
    scraped = queries.ask("targets", sizes_query(span))
    return sizes(scrapes or Answer(()), scraped or Answer(()))
