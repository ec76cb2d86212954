"""How much of a window was really observed, per target, from the outcome of every scrape in it.

`up` is written at every scrape, 1 when it succeeded and 0 when it failed. No `up` at all means that
Prometheus did not scrape: it was down, or did not know the target yet. The two are distinguished.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from monitord.collect.request import CollectionRequest, ExpectedTarget

# How far from its due time, as a share of the interval, a scrape may be and still be that scrape.
PHASE_TOLERANCE = 0.05

# For how long Prometheus goes on scraping what was withdrawn: its discovery looks every 5 s, and a scrape
# may be under way. A service that ends with its registration is not one that failed.
LEAVING_SECONDS = 10.0

Identity = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class TargetCoverage:
    """The scrapes of one target in the window.

    `scrapes` were made, `successes` of them worked, `expected_scrapes` is how many must have been
    due. `longest_gap_s` (seconds) is the longest time without a success, the window's edges
    included. `first_seen` and `last_seen` (Unix seconds) are the first and the last success. None
    is unknown. `declared` is False for a target that was scraped but not in force at the end; it is
    expected only for as long as it was scraped, but for the failures of its last LEAVING_SECONDS.
    """

    job: str
    instance: str
    client: str
    service: str
    node: str
    expected_scrapes: int
    scrapes: int
    successes: int
    up_ratio: float | None
    longest_gap_s: float
    resets: int | None
    first_seen: float | None
    last_seen: float | None
    declared: bool
    error: str = ""

    @property
    def not_made(self) -> int:
        """How many due scrapes were not made: Prometheus was down, or too busy."""
        return max(self.expected_scrapes - self.scrapes, 0)

    @property
    def failed(self) -> int:
        """How many scrapes failed; `error` is the last one's, where that is known."""
        return self.scrapes - self.successes

    @property
    def identity(self) -> Identity:
        return (self.job, self.instance, self.client)

    @property
    def ratio(self) -> float | None:
        """The share of the due scrapes that worked; None when none was due."""
        return min(1.0, self.successes / self.expected_scrapes) if self.expected_scrapes else None


def declared_targets(request: CollectionRequest) -> dict[Identity, ExpectedTarget]:
    """Return the declared targets by job, instance and client."""
    return {identity_of(target.labels): target for target in request.targets}


def with_unseen(request: CollectionRequest, seen: Iterable[TargetCoverage]) -> tuple[TargetCoverage, ...]:
    """Return the coverage of all targets seen or declared, by job, instance and client."""
    found = {target.identity: target for target in seen}
    for identity, target in declared_targets(request).items():
        if identity not in found:
            found[identity] = cover_target(request, target.labels, (), target.interval)
    return tuple(found[identity] for identity in sorted(found))


def overall(targets: Iterable[TargetCoverage]) -> float | None:
    """Return the share of all due scrapes that worked, from 0 to 1; None when none was due.

    A target that was scraped more often than expected does not compensate for another.
    """
    expected = successes = 0
    for target in targets:
        expected += target.expected_scrapes
        successes += min(target.successes, target.expected_scrapes)
    return successes / expected if expected else None


def worst(targets: Iterable[TargetCoverage]) -> float | None:
    """Return the lowest ratio of any target; None when none is known."""
    return min((target.ratio for target in targets if target.ratio is not None), default=None)


def count_due_scrapes(start: float, end: float, interval: float, scrapes: Sequence[float]) -> int:
    """Return how many scrapes were certainly due in (start, end].

    Scrapes keep their phase. Whole intervals give the number, less one when the phase that was seen
    puts a scrape so close to an edge that it may as well have fallen outside.
    """
    whole = (round(end * 1000) - round(start * 1000)) // max(1, round(interval * 1000))
    if not scrapes:
        return whole
    tolerance = interval * PHASE_TOLERANCE
    after = (end - tolerance - scrapes[0]) // interval
    before = (scrapes[0] - start - tolerance) // interval
    return max(min(whole, int(after + before) + 1), min(whole, 1))


def cover_target(
    request: CollectionRequest,
    labels: Mapping[str, str],
    scrapes: Iterable[tuple[float, bool]],
    interval: float | None,
) -> TargetCoverage:
    """Return the coverage of one target: `scrapes` are (Unix seconds, whether it succeeded), in order.

    `interval` is None for a target that was not declared.
    """
    start, end = request.window.measured()
    # Of scrapes at both edges only one was due in the window.
    inside = [(time, succeeded) for time, succeeded in scrapes if start < time <= end]
    times = [time for time, _ in inside]
    successes = [time for time, succeeded in inside if succeeded]
    if interval is not None:
        due = count_due_scrapes(start, end, interval, times)
    else:
        # Withdrawn by its client before the window's end: expected for as long as it was scraped.
        times = _until_it_left(times, successes)
        due = round((times[-1] - times[0]) / request.scrape_interval) + 1 if times else 0
    return TargetCoverage(
        job=labels.get("job", ""),
        instance=labels.get("instance", ""),
        client=labels.get("client", ""),
        service=labels.get("service", ""),
        node=labels.get("node", ""),
        expected_scrapes=due,
        scrapes=len(times),
        successes=len(successes),
        up_ratio=len(successes) / len(times) if times else None,
        longest_gap_s=max(after - before for before, after in pairwise((start, *successes, end))),
        resets=None,
        first_seen=successes[0] if successes else None,
        last_seen=successes[-1] if successes else None,
        declared=interval is not None,
    )


def _until_it_left(times: list[float], successes: list[float]) -> list[float]:
    if not successes or times[-1] - successes[-1] > LEAVING_SECONDS:
        return times
    return [time for time in times if time <= successes[-1]]


def identity_of(labels: Mapping[str, str]) -> Identity:
    """Return the labels that tell targets apart."""
    return (labels.get("job", ""), labels.get("instance", ""), labels.get("client", ""))
