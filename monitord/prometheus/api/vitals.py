"""The health of a Prometheus, from its own metrics (pure)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Self

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{[^}]*\})? (\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Vitals:
    """Values of its metrics; None where this version has no such metric.

    `failed_writes` counts failed writes to the write-ahead log, and `watcher_errors` errors after which it no
    longer reads file_sd. `config_loaded` is whether the last reload succeeded, and `config_loaded_at` (Unix
    seconds) when a reload last succeeded.
    """

    failed_writes: int | None = None
    watcher_errors: int | None = None
    config_loaded: bool | None = None
    config_loaded_at: float | None = None
    resident_bytes: int | None = None
    head_series: int | None = None

    @classmethod
    def read(cls, metrics: str) -> Self:
        """Parse the text of `/metrics`; missing or malformed values are None."""
        found = {name: text for name, text in _SAMPLE.findall(metrics) if name in _NAMES}
        loaded = _number(found.get("prometheus_config_last_reload_successful"))
        return cls(
            failed_writes=_count(found.get("prometheus_tsdb_wal_writes_failed_total")),
            watcher_errors=_count(found.get("prometheus_sd_file_watcher_errors_total")),
            config_loaded=None if loaded is None else loaded == 1,
            config_loaded_at=_number(found.get("prometheus_config_last_reload_success_timestamp_seconds")),
            resident_bytes=_count(found.get("process_resident_memory_bytes")),
            head_series=_count(found.get("prometheus_tsdb_head_series")),
        )


_NAMES = frozenset(
    {
        "prometheus_tsdb_wal_writes_failed_total",
        "prometheus_sd_file_watcher_errors_total",
        "prometheus_config_last_reload_successful",
        "prometheus_config_last_reload_success_timestamp_seconds",
        "process_resident_memory_bytes",
        "prometheus_tsdb_head_series",
    }
)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _count(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None else round(number)
