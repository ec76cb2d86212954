"""The verdict on a window, and every reason for it, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from monitord.collect.coverage import TargetCoverage
from monitord.collect.request import CollectionRequest
from monitord.collect.stall import Stall
from monitord.prometheus.child.outages import Outage
from monitord.system.timestamps import to_iso

WindowStatus = Literal["complete", "partial", "truncated", "failed"]

# Worst first. A reason that a caller adds under another code ranks last.
CODES = (
    "query_failed",
    "no_targets",
    "target_absent",
    "target_down",
    "prometheus_outage",
    "session_folder_stalled",
    "window_truncated",
    "settle_timeout",
    "window_too_short",
    "warmup_too_long",
    "low_coverage",
)
MIN_SCRAPES = 4
NAMED_TARGETS = 5


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a window is not complete: a stable code, and the facts in words."""

    code: str
    message: str


def judge(
    request: CollectionRequest,
    targets: Sequence[TargetCoverage],
    extra_reasons: Iterable[Reason] = (),
) -> tuple[WindowStatus, tuple[Reason, ...]]:
    """Return the window's status and reasons.

    `failed` when no scrape of any target succeeded in the window, so that nothing is known about it;
    `truncated` when it was closed before its client did; `partial` for every other reason.
    """
    extra = tuple(extra_reasons)
    found = [
        *_target_reasons(request, targets), *_outage_reasons(request, targets, extra),
        *_stall_reasons(request, targets), *_window_reasons(request, targets), *extra,
    ]  # fmt: skip
    reasons = tuple(sorted(dict.fromkeys(found), key=_rank))
    if not any(target.successes for target in targets):
        return "failed", reasons
    if request.window.truncated:
        return "truncated", reasons
    return ("partial" if reasons else "complete"), reasons


def _outage_reasons(
    request: CollectionRequest, targets: Sequence[TargetCoverage], extra: Sequence[Reason]
) -> Iterable[Reason]:
    # An outage between two scrapes lost nothing; only the manifest has it.
    lost = any(target.ratio is not None and target.ratio < 1 for target in targets)
    if request.outages and (lost or any(reason.code == "settle_timeout" for reason in extra)):
        facts = [f"{outage.reason} from {to_iso(outage.start)}{_until(outage)}" for outage in request.outages]
        yield Reason("prometheus_outage", f"Prometheus did not store scrapes: {_some(facts)}")


def _stall_reasons(request: CollectionRequest, targets: Sequence[TargetCoverage]) -> Iterable[Reason]:
    # A stall costs the scrapes of targets that were registered meanwhile and read only afterwards. Earlier
    # targets were scraped all the time.
    not_made = sum(
        max(target.expected_scrapes - target.scrapes, 0)
        for target in targets
        if target.first_seen is None or any(stall.start < target.first_seen for stall in request.stalls)
    )
    if request.stalls and not_made:
        facts = [f"from {to_iso(stall.start)}{_until(stall)}" for stall in request.stalls]
        lost = f"{not_made} scrapes of the window were not made"
        yield Reason("session_folder_stalled", f"the session folder did not answer {_some(facts)}; {lost}")


def _window_reasons(request: CollectionRequest, targets: Sequence[TargetCoverage]) -> Iterable[Reason]:
    window = request.window
    if window.is_all_warmup:
        yield Reason(
            "warmup_too_long",
            f"warmup and cooldown leave nothing of the {window.seconds:g} s, so all of it was measured",
        )
    if window.truncated:
        yield Reason("window_truncated", "the window was closed before its client closed it")
    if not targets and not request.targets:
        yield Reason("no_targets", "no target was declared or scraped; register one and try again")
    expected = (target.expected_scrapes for target in targets if target.declared)
    fewest = min(expected, default=MIN_SCRAPES)
    if fewest < MIN_SCRAPES:
        yield Reason(
            "window_too_short",
            f"a target is scraped only {fewest} times in {request.span.seconds:g} s, but rates need"
            f" {MIN_SCRAPES} scrapes; measure for longer or set a shorter scrape_interval",
        )


def _until(time: Outage | Stall) -> str:
    return "" if time.end is None else f" to {to_iso(time.end)}"


def _target_reasons(request: CollectionRequest, targets: Sequence[TargetCoverage]) -> Iterable[Reason]:
    absent = [t for t in targets if t.scrapes == 0 and t.expected_scrapes]
    down = [t for t in targets if t.scrapes and not t.successes]
    rest = [t for t in targets if t.successes and t.ratio is not None]
    low = [t for t in rest if t.ratio is not None and t.ratio < request.min_coverage]
    if absent:
        yield Reason("target_absent", f"never scraped in the window: {_names(absent)}")
    if down:
        facts = [f"{_name(t)}{f' ({t.error})' if t.error else ''}" for t in down]
        yield Reason("target_down", f"every scrape failed: {_some(facts)}")
    if low:
        facts = [f"{_name(t)} ({t.successes} of {t.expected_scrapes} scrapes{_lost(t)})" for t in low]
        yield Reason("low_coverage", f"coverage below {request.min_coverage:g}: {_some(facts)}")


def _lost(target: TargetCoverage) -> str:
    """Return what became of the other scrapes: Prometheus did not make them, or they failed."""
    error = f": {target.error}" if target.error else ""
    facts = [
        f"{target.not_made} not made" if target.not_made else "",
        f"{target.failed} failed{error}" if target.failed else "",
    ]
    return "".join(f"; {fact}" for fact in facts if fact)


def _rank(reason: Reason) -> int:
    return CODES.index(reason.code) if reason.code in CODES else len(CODES)


def _names(targets: Iterable[TargetCoverage]) -> str:
    return _some([_name(target) for target in targets])


def _name(target: TargetCoverage) -> str:
    client = f" of {target.client}" if target.client else ""
    return f"{target.job} {target.instance}{client}"


def _some(facts: Sequence[str]) -> str:
    more = len(facts) - NAMED_TARGETS
    return ", ".join(facts[:NAMED_TARGETS]) + (f" and {more} more" if more > 0 else "")
