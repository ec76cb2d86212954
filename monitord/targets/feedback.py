"""`status/targets/<file>.json`: the status of a target file, for its client. Pure.

It is also the daemon's own memory: the version in force is restored from it after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitord.errors import Problem
from monitord.system.timestamps import from_iso, to_iso
from monitord.targets.credentials import ScrapeCredentials
from monitord.targets.model import Endpoint, Registration
from monitord.targets.registry import Entry, Seen, State
from monitord.targets.scrape_health import HealthKey, ScrapeHealth, health_key


def target_status(entry: Entry, healths: Mapping[HealthKey, ScrapeHealth]) -> dict[str, Any]:
    """Return the status of a file, without the time at which it was published."""
    in_force = entry.in_force
    return {
        "file": entry.seen.file,
        "modified_at": to_iso(entry.seen.modified_at),  # which version of the file this is about
        "state": entry.state,
        "reason": entry.reason,
        "errors": [
            {
                "line": problem.line,
                "column": problem.column,
                "field": problem.field,
                "message": problem.message,
            }
            for problem in entry.problems
        ],
        "client": in_force.client if in_force else None,
        "endpoints": [
            _endpoint(endpoint, healths.get(health_key(endpoint.labels), ScrapeHealth()))
            for endpoint in (in_force.endpoints if in_force else ())
        ],
        "in_force": in_force.digest if in_force else None,
        "accepted_at": to_iso(entry.accepted_at) if entry.accepted_at is not None else None,
        "lease_seconds": in_force.lease if in_force else None,
        "slurm_job": in_force.slurm_job_id if in_force else None,
    }


def deleted_status(file: str) -> dict[str, Any]:
    """Return the status of a file that its client removed."""
    return {
        "file": file,
        "modified_at": None,
        "state": State.WITHDRAWN,
        "reason": "the file was deleted",
        "errors": [],
        "client": None,
        "endpoints": [],
        "in_force": None,
        "accepted_at": None,
        "lease_seconds": None,
        "slurm_job": None,
    }


def restore(status: Mapping[str, Any], now: float) -> Entry | None:
    """Return the entry of a published status; None when nothing was in force.

    A lease counts from `now` until the file is read again: it may have been touched meanwhile.
    Raises KeyError, TypeError or ValueError when the status is not one of ours.
    """
    if status["in_force"] is None:
        return None
    file = status["file"]
    endpoints = tuple(
        Endpoint(
            item["url"],
            item["labels"],
            item["interval_seconds"],
            item["timeout_seconds"],
            _credentials(item.get("credentials")),
        )
        for item in status["endpoints"]
    )
    registration = Registration(
        file, status["client"], endpoints, status["in_force"], status["lease_seconds"], status["slurm_job"]
    )
    accepted_at = from_iso(status["accepted_at"])
    modified_at = from_iso(status["modified_at"])
    problems = tuple(Problem(**error) for error in status["errors"])
    seen = Seen(file, modified_at, None, problems, lease_from=now)
    return Entry(seen, (accepted_at, file), registration, accepted_at, problems)


def _credentials(written: Mapping[str, Any] | None) -> ScrapeCredentials | None:
    return ScrapeCredentials(**written) if written else None


def _endpoint(endpoint: Endpoint, health: ScrapeHealth) -> dict[str, Any]:
    return {
        "url": endpoint.url,
        "job": endpoint.labels["job"],
        "labels": dict(endpoint.labels),
        "health": health.health,
        "last_error": health.last_error,
        "last_scrape": health.last_scrape,
        "interval_seconds": endpoint.interval,
        "timeout_seconds": endpoint.timeout,
        "credentials": endpoint.credentials.written() if endpoint.credentials else None,
    }
