"""Write prometheus.yml (pure): one scrape job that reads its targets from `file_sd/*.json`.

What an exporter could use against the others or against the truth is switched off here: forged
`up` and `scrape_*` series, its own timestamps, redirects, and answers without bound.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from monitord.documents import write_document
from monitord.durations import format_duration
from monitord.errors import InvalidInputError
from monitord.prometheus.command import OLDEST_SUPPORTED, Version
from monitord.settings import LimitSettings

SCRAPE_JOB = "monitord"
MAX_SCRAPE_TIMEOUT = 10.0
"""Seconds; a scrape interval shorter than this is the timeout itself."""

_GLOB = re.compile(r"([\\?\[\]])")


def render_config(
    file_sd: Path,
    scrape_interval: float,
    limits: LimitSettings,
    version: Version = OLDEST_SUPPORTED,
) -> bytes:
    """Return prometheus.yml: targets from the folder `file_sd`, `scrape_interval` in seconds.

    Raises InvalidInputError when Prometheus could not read a folder of that name.
    """
    scrape_timeout = min(MAX_SCRAPE_TIMEOUT, scrape_interval)
    config = {
        "global": {
            "scrape_interval": format_duration(scrape_interval),
            "scrape_timeout": format_duration(scrape_timeout),
            **_plain_names(version),
        },
        "scrape_configs": [_scrape_config(file_sd, limits, version)],
    }
    return write_document(config)


def _scrape_config(file_sd: Path, limits: LimitSettings, version: Version) -> dict[str, Any]:
    # No target_limit: one target too many would fail all of them, where sample_limit fails one.
    return {
        "job_name": SCRAPE_JOB,
        "honor_labels": False,
        "honor_timestamps": False,
        "follow_redirects": False,
        "sample_limit": limits.samples,
        "label_limit": limits.labels,
        "label_name_length_limit": limits.label_name_bytes,
        "label_value_length_limit": limits.label_value_bytes,
        "body_size_limit": f"{limits.body_bytes}B",
        **_content_type_fallback(version),
        "file_sd_configs": [{"files": [_pattern(file_sd)], "refresh_interval": "5s"}],
        "metric_relabel_configs": _metric_relabeling(),
    }


def _metric_relabeling() -> list[dict[str, Any]]:
    return [
        # The server adds its own up and scrape_* after relabeling: only an exporter's are dropped.
        {"source_labels": ["__name__"], "regex": "up|scrape_.*", "action": "drop"},
        # 2.x stores a whole bound as the exporter writes it, 3.x as "1.0". When one goes on with the
        # data of the other, it must be with the same series.
        {
            "source_labels": ["__name__", "le"],
            "regex": ".+_bucket;(0|[1-9][0-9]{0,5})",
            "target_label": "le",
            "replacement": "${1}.0",
        },
    ]


def _content_type_fallback(version: Version) -> dict[str, str]:
    # 3.x fails a scrape without a proper Content-Type; 2.x read it as text, and knows no such key.
    return {"fallback_scrape_protocol": "PrometheusText0.0.4"} if version >= (3, 0, 0) else {}


def _plain_names(version: Version) -> dict[str, str]:
    # 3.x asks for names in UTF-8, and exporters that have such would name their metrics otherwise.
    return {"metric_name_validation_scheme": "legacy"} if version >= (3, 0, 0) else {}


def _pattern(folder: Path) -> str:
    if not folder.is_absolute():
        raise InvalidInputError(f"{folder} is not an absolute path, which file_sd needs; give --root as one")
    if "*" in str(folder):
        raise InvalidInputError(
            f"{folder}: Prometheus cannot read targets from a path with '*'; choose another --root"
        )
    return _GLOB.sub(r"\\\1", str(folder)) + "/*.json"
