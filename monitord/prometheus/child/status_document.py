"""The part `prometheus` of `status/daemon.json`. None is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from monitord.prometheus.api.vitals import Vitals
from monitord.prometheus.child.launch import Launch
from monitord.prometheus.child.load import load_warning
from monitord.prometheus.child.memory_limit import pressure
from monitord.prometheus.child.outages import Outages, outage_json
from monitord.prometheus.child.probe import Finding
from monitord.prometheus.child.restart_policy import Phase, State
from monitord.system.timestamps import to_iso

if TYPE_CHECKING:
    from pathlib import Path


def before_launch(outages: Outages) -> dict[str, Any]:
    """Describe a Prometheus whose first start is not prepared yet."""
    return _run(Phase.STOPPED, outages) | {"snapshot": None}


def describe_run(
    launch: Launch, phase: Phase, outages: Outages, url: str | None, pid: int | None
) -> dict[str, Any]:
    """Describe whether it runs, where, and who may use it."""
    credentials = launch.access.credentials
    return _run(phase, outages) | {
        "url": url,
        "version": str(launch.build.version),
        "pid": pid,
        "user": credentials.user if credentials else None,
        "password_file": str(credentials.password_file) if credentials else None,
    }


def _run(phase: Phase, outages: Outages) -> dict[str, Any]:
    return {
        "state": phase.value,
        "url": None,
        "version": None,
        "pid": None,
        "user": None,
        "password_file": None,
        "last_well_at": None if outages.last_well is None else to_iso(outages.last_well),
        "outage": outages.current and outage_json(outages.current),
    }


def describe_launch(
    launch: Launch, state: State, finding: Finding | None, set_asides: Sequence[Path], scrape_interval: float
) -> dict[str, Any]:
    """Describe its places, its limits and its vitals. `set_asides` are folders of data that it refused."""
    vitals = (finding and finding.vitals) or Vitals()
    load = load_warning(vitals.head_series, scrape_interval)
    replay, tls, limit = finding and finding.replay, launch.access.tls, launch.memory.bytes
    return {
        "certificate": str(tls.cert_file) if tls else None,
        "replayed_segments": replay and {"done": replay[0], "all": replay[1]},
        "series": vitals.head_series,
        "data": {
            "folder": str(launch.storage.folder),
            "why_there": launch.data_reason,
            "retention_bytes": launch.options.retention_bytes,
            "writable": not state.unwritable,
            "set_aside": [str(folder) for folder in set_asides],
        },
        "memory": {
            "resident_bytes": vitals.resident_bytes,
            "limit_bytes": limit,
            "limit_source": launch.memory.source,
            "pressure": pressure(vitals.resident_bytes, limit),
        },
        "warnings": [*launch.warnings, *([load] if load else [])],
    }
