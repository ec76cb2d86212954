"""What `status/daemon.json` says of how Prometheus was launched and how it is."""

from __future__ import annotations

from typing import Any

from monitord.prometheus.launch import Launch
from monitord.prometheus.memory import pressure
from monitord.prometheus.probe import Finding
from monitord.prometheus.supervision import State
from monitord.prometheus.vitals import Vitals


def described(launch: Launch, finding: Finding | None, state: State) -> dict[str, Any]:
    """Return its places, its limits and its vitals; None is unknown."""
    vitals = (finding and finding.vitals) or Vitals()
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
            "set_aside": _set_aside(launch),
        },
        "memory": {
            "resident_bytes": vitals.resident_bytes,
            "limit_bytes": limit,
            "limit_source": launch.memory.source,
            "pressure": pressure(vitals.resident_bytes, limit),
        },
        "warnings": list(launch.warnings),
    }


def _set_aside(launch: Launch) -> list[str] | None:
    try:
        return [str(folder) for folder in launch.storage.set_asides()]
    except OSError:
        return None
