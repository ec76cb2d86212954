"""The manifest: what an artifact folder holds, what it was made from, and how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from monitord.artifacts.contents import coverage_values
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.coverage import TargetCoverage, overall, worst
from monitord.prometheus.child.outages import outage_json
from monitord.system.timestamps import to_iso

SCHEMA = "monitord/manifest/v1"
KEPT = "artifacts_kept"
"""The reason of artifacts that were asked for again when their data were gone."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the measurement ran on; None is unknown or not there.

    `markers` maps each window marker's file name to its modification time in nanoseconds, as it was
    when the window was collected: a newer marker requests another collection. `term` is the
    fencing number of the daemon that collected it.
    """

    version: str
    python: str
    host: Mapping[str, Any]
    prometheus: Mapping[str, Any]
    slurm: Mapping[str, Any] | None = None
    own_cost: Mapping[str, Any] | None = None
    clock: Mapping[str, Any] | None = None
    markers: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    term: int | None = None


def manifest(
    collection: CollectedWindow, provenance: Provenance, warnings: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the manifest without its `files`, which are added when they have been written."""
    window = collection.request.window
    whole, span = collection.request.whole, collection.request.span
    return {
        "schema": SCHEMA,
        "session": collection.request.session,
        "window": {
            "id": window.id,
            "from": to_iso(whole.start_ms / 1000),
            "to": to_iso(whole.end_ms / 1000),
            "seconds": window.seconds,
            "warmup_seconds": window.warmup,
            "cooldown_seconds": window.cooldown,
            "measured": {"from": to_iso(span.start_ms / 1000), "to": to_iso(span.end_ms / 1000)},
            "labels": dict(window.labels),
            "slo": list(window.slo),
        },
        "status": collection.status,
        "reasons": [asdict(reason) for reason in collection.reasons],
        "slo": [asdict(result) for result in collection.slo],
        "collected": {"from": to_iso(collection.start), "to": to_iso(collection.end)},
        "tool": {"name": "monitord", "version": provenance.version, "python": provenance.python},
        "term": provenance.term,
        "host": dict(provenance.host),
        "slurm": _copied(provenance.slurm),
        "prometheus": dict(provenance.prometheus),
        "targets": _targets(collection),
        "coverage": {
            "overall": overall(collection.coverage),
            "worst": worst(collection.coverage),
            "outages": [outage_json(outage) for outage in collection.request.outages],
        },
        "own_cost": _copied(provenance.own_cost),
        "clock": _copied(provenance.clock),
        "skew_seconds": collection.request.skew,
        "markers": dict(provenance.markers),
        "owner_uid": window.owner_uid,
        "advice": list(collection.advice),
        "warnings": [*collection.warnings, *warnings, *provenance.warnings],
    }


def has_data(manifest: Mapping[str, Any]) -> bool:
    """Return whether artifacts hold any data of their window, by their manifest."""
    return manifest.get("status") in ("complete", "partial", "truncated")


def renewed(earlier: Mapping[str, Any], later: Mapping[str, Any], asked_at: float) -> dict[str, Any] | None:
    """Return the manifest of earlier artifacts as one that answers a later request too.

    For when the later collection found no data any more; `later` would be its manifest. None when it asks
    for another window. `asked_at` is in Unix seconds.
    """
    same = ("from", "to", "labels", "slo")
    before, now = earlier.get("window") or {}, later["window"]
    if any(before.get(key) != now[key] for key in same):
        return None
    kept = (
        f"{KEPT}: collected again at {to_iso(asked_at)}, when no data of the window were left; kept as it was"
    )
    return {**earlier, "markers": later["markers"], "owner_uid": later["owner_uid"], "kept": kept}


def reasons_of(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return in words why a window is not complete, or why its artifacts are older than its last request."""
    reasons = (str(reason.get("message")) for reason in manifest.get("reasons") or ())
    kept = manifest.get("kept")
    return (*reasons, *((str(kept),) if kept else ()))


def public_url(url: str) -> str:
    """Return a URL without what may be secret in it: user, password, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _targets(collection: CollectedWindow) -> list[dict[str, Any]]:
    declared = {
        (t.labels.get("job", ""), t.labels.get("instance", ""), t.labels.get("client", "")): t
        for t in collection.request.targets
    }
    return [
        {
            "url": public_url(declared[target.identity].url) if target.declared else None,
            "labels": dict(declared[target.identity].labels) if target.declared else None,
            "interval_seconds": declared[target.identity].interval if target.declared else None,
            **_numbers(target),
        }
        for target in collection.coverage
    ]


def _numbers(target: TargetCoverage) -> dict[str, Any]:
    return coverage_values(target) | {"coverage": target.ratio}


def _copied(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if values is None else dict(values)
