"""A Prometheus that answers by what a query contains, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Mapping

from monitord.prometheus.api.series import Answer, Series


def series(samples: float | Mapping[float, float], **labels: str) -> Series:
    """Return a series; a bare value is a sample at time 0."""
    pairs = samples.items() if isinstance(samples, Mapping) else [(0.0, samples)]
    return Series(labels, tuple(pairs))


def answer(*each: Series) -> Answer:
    return Answer(each)


class FakeQueryClient:
    """Answers a query with that of the longest text that it contains, else with nothing."""

    def __init__(self, answers: Mapping[str, Answer | Exception]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def query(self, promql: str, at: float) -> Answer:
        self.asked.append(promql)
        for text in sorted(self.answers, key=len, reverse=True):
            if text in promql:
                found = self.answers[text]
                if isinstance(found, Exception):
                    raise found
                return found
        return Answer(())

    def query_range(self, promql: str, start: float, end: float, step: float) -> Answer:
        return self.query(promql, end)
