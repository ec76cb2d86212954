"""The queries of a collection: each is sent once, and recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from monitord.collect.collected_window import QueryRecord
from monitord.collect.coverage import Identity, identity_of
from monitord.collect.verdict import Reason
from monitord.errors import AccessRefusedError, PrometheusError, PrometheusUnavailableError
from monitord.kpis.span import InstantQuery, Query
from monitord.prometheus.api.raw_samples import RawAnswer, read_samples
from monitord.prometheus.api.series import Answer

# Artifacts are given away: what may be secret in a URL is left out, that is user, password and query.
_URL = re.compile(r"(https?://)(?:[^@/\s\"]*@)?([^\s\"?]*)(?:\?[^\s\"]*)?")
T = TypeVar("T", bound=Answer | RawAnswer)


class QueryClient(Protocol):
    """The part of Prometheus's HTTP API that a collection needs; times in Unix seconds.

    All raise PrometheusUnavailableError when asking again later may help, and PrometheusError when
    it will not.
    """

    def query(self, promql: str, at: float) -> Answer:
        """Evaluate at one time."""

    def query_json(self, promql: str, at: float) -> bytes:
        """Evaluate at one time; return the answer as it was sent."""

    def query_range(self, promql: str, start: float, end: float, step: float) -> Answer:
        """Evaluate at every `step` seconds from `start` to `end`."""

    def targets(self) -> list[dict[str, Any]]:
        """Return the active targets."""


class Queries:
    """Sends queries, and records each."""

    def __init__(self, client: QueryClient, now: Callable[[], float]) -> None:
        self._client = client
        self.now = now
        self.records: list[QueryRecord] = []

    def ask(self, use: str, query: Query) -> Answer | None:
        """Return the answer, or None when Prometheus refused the query."""
        return self._recorded(use, query, lambda: self._evaluated(query))

    def read(self, use: str, query: InstantQuery) -> RawAnswer | None:
        """Return raw samples, or None when Prometheus refused the query."""
        return self._recorded(
            use, query, lambda: read_samples(self._client.query_json(query.promql, query.at))
        )

    def errors(self) -> Mapping[Identity, str]:
        """Return the error of each target's last scrape, for those of which it failed."""
        found: dict[Identity, str] = {}
        with suppress(PrometheusError):
            for target in self._client.targets():
                if error := target.get("lastError"):
                    found[identity_of(target.get("labels", {}))] = _URL.sub(r"\1\2", str(error))
        return found

    def failures(self) -> list[Reason]:
        """Return a reason for each query that failed."""
        return [
            Reason("query_failed", f"{record.use}: {record.error}") for record in self.records if record.error
        ]

    def _recorded(self, use: str, query: Query, send: Callable[[], T]) -> T | None:
        asked = self.now()
        record = QueryRecord(use, query, None, 0.0)
        answer: T | None = None
        try:
            answer = send()
            native = len(answer.histograms) if isinstance(answer, Answer) else 0
            record = replace(record, series=len(answer.series) + native, warnings=tuple(answer.warnings))
        except (PrometheusUnavailableError, AccessRefusedError):
            raise
        except PrometheusError as error:
            record = replace(record, error=str(error) or type(error).__name__)
        self.records.append(replace(record, seconds=max(0.0, self.now() - asked)))
        return answer

    def _evaluated(self, query: Query) -> Answer:
        if isinstance(query, InstantQuery):
            return self._client.query(query.promql, query.at)
        return self._client.query_range(query.promql, query.start, query.end, query.step)
