"""What `status/daemon.json` says of how Prometheus was launched and how it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from monitord.prometheus.api.vitals import Vitals
from monitord.prometheus.child.launch import Launch
from monitord.prometheus.child.memory_limit import pressure
from monitord.prometheus.child.probe import Finding
from monitord.prometheus.child.restart_policy import State

if TYPE_CHECKING:
    from pathlib import Path


def described(
    launch: Launch, finding: Finding | None, state: State, set_asides: Sequence[Path]
) -> dict[str, Any]:
    """Return its places, its limits and its vitals; None is unknown. `set_asides` are data it refused."""
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
            "set_aside": [str(folder) for folder in set_asides],
        },
        "memory": {
            "resident_bytes": vitals.resident_bytes,
            "limit_bytes": limit,
            "limit_source": launch.memory.source,
            "pressure": pressure(vitals.resident_bytes, limit),
        },
        "warnings": list(launch.warnings),
    }
