"""Render prometheus.yml (pure): a scrape job that reads its targets from `file_sd/targets-*.json`.

Prometheus takes credentials only from its configuration. Each set of credentials therefore has a scrape job,
otherwise the same, with target files of its own; the label `job` comes from those files. Credentials
are referenced, so prometheus.yml holds no secret.

What an exporter could use to lie or to starve others is switched off here: forged `up` and `scrape_*`
series, its own timestamps, redirects, and unlimited responses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from monitord.documents.durations import format_duration
from monitord.documents.strict_yaml import write_document
from monitord.errors import InvalidInputError
from monitord.file_sd.render import file_prefix
from monitord.prometheus.api.version import (
    CLASSIC_BESIDE_NATIVE,
    NATIVE_BY_SETTING,
    OLDEST_SUPPORTED,
    Version,
)
from monitord.session.settings import LimitSettings
from monitord.targets.credentials import ScrapeCredentials

if TYPE_CHECKING:
    from pathlib import Path

SCRAPE_JOB = "monitord"
MAX_SCRAPE_TIMEOUT = 10.0
"""Seconds; a shorter scrape interval is also the timeout."""

_TLS = ("ca_file", "cert_file", "key_file", "server_name", "insecure_skip_verify")
_GLOB = re.compile(r"([\\?\[\]])")


def render_config(
    file_sd: Path,
    scrape_interval: float,
    limits: LimitSettings,
    version: Version = OLDEST_SUPPORTED,
    credentials: Mapping[ScrapeCredentials, str] = MappingProxyType({}),
    native_histograms: bool = False,
) -> bytes:
    """Return prometheus.yml with targets from the folder `file_sd`; `scrape_interval` is in seconds.

    `credentials` are those in use, each with a stamp that changes with its files: Prometheus 3 keeps
    using what it read first until the job's name changes. A referenced file that is missing does not stop
    Prometheus; targets that need it are down or not scraped until it exists. `native_histograms` are
    scraped beside the classic ones, if the version supports it.

    Raises InvalidInputError when Prometheus cannot read a folder with that name.
    """
    scrape_timeout = min(MAX_SCRAPE_TIMEOUT, scrape_interval)
    by_version = {**_content_type_fallback(version), **(_histograms(version) if native_histograms else {})}
    config = {
        "global": {
            "scrape_interval": format_duration(scrape_interval),
            "scrape_timeout": format_duration(scrape_timeout),
            **_plain_names(version),
        },
        "scrape_configs": [
            _scrape_config(file_sd, limits, by_version),
            *(
                _scrape_config(file_sd, limits, by_version, item, credentials[item])
                for item in sorted(credentials, key=lambda item: item.digest)
            ),
        ],
    }
    return write_document(config)


def _scrape_config(
    file_sd: Path,
    limits: LimitSettings,
    by_version: Mapping[str, Any],
    credentials: ScrapeCredentials | None = None,
    stamp: str = "",
) -> dict[str, Any]:
    # No target_limit: exceeding it fails all targets, while sample_limit fails one.
    return {
        "job_name": f"{SCRAPE_JOB}-{credentials.digest}-{stamp}" if credentials else SCRAPE_JOB,
        "honor_labels": False,
        "honor_timestamps": False,
        "follow_redirects": False,
        "sample_limit": limits.samples,
        "label_limit": limits.labels,
        "label_name_length_limit": limits.label_name_bytes,
        "label_value_length_limit": limits.label_value_bytes,
        "body_size_limit": f"{limits.body_bytes}B",
        **by_version,
        **(_access(credentials) if credentials else {}),
        "file_sd_configs": [{"files": [_pattern(file_sd, credentials)], "refresh_interval": "5s"}],
        "metric_relabel_configs": _metric_relabeling(),
    }


def _access(credentials: ScrapeCredentials) -> dict[str, Any]:
    used = credentials.written()
    access: dict[str, Any] = {}
    if "password_file" in used:
        access["basic_auth"] = {name: used[name] for name in ("username", "password_file")}
    if "bearer_token_file" in used:
        access["authorization"] = {"type": "Bearer", "credentials_file": used["bearer_token_file"]}
    if tls := {name: used[name] for name in _TLS if name in used}:
        access["tls_config"] = tls
    return access


def _metric_relabeling() -> list[dict[str, Any]]:
    return [
        # Prometheus adds its own up and scrape_* after relabeling, so only an exporter's are dropped.
        {"source_labels": ["__name__"], "regex": "up|scrape_.*", "action": "drop"},
        # 2.x stores a whole bound as the exporter writes it, 3.x as "1.0". The series must stay the same
        # when another version continues with the data.
        {
            "source_labels": ["__name__", "le"],
            "regex": ".+_bucket;(0|[1-9][0-9]{0,5})",
            "target_label": "le",
            "replacement": "${1}.0",
        },
    ]


def _content_type_fallback(version: Version) -> dict[str, str]:
    # 3.x fails a scrape without a valid Content-Type; 2.x reads it as text and does not know the key.
    return {"fallback_scrape_protocol": "PrometheusText0.0.4"} if version >= (3, 0, 0) else {}


def _histograms(version: Version) -> dict[str, bool]:
    scraped = {"scrape_native_histograms": True} if version >= NATIVE_BY_SETTING else {}
    if version < CLASSIC_BESIDE_NATIVE:
        return scraped
    # 3.0 renamed the setting; each version refuses the other's name.
    return {**scraped, f"{'always_' if version >= (3, 0, 0) else ''}scrape_classic_histograms": True}


def _plain_names(version: Version) -> dict[str, str]:
    # 3.x requests UTF-8 names, and exporters that support them would rename their metrics.
    return {"metric_name_validation_scheme": "legacy"} if version >= (3, 0, 0) else {}


def _pattern(folder: Path, credentials: ScrapeCredentials | None) -> str:
    if not folder.is_absolute():
        raise InvalidInputError(
            f"{folder} is not an absolute path, which file_sd needs; make --root absolute"
        )
    if "*" in str(folder):
        raise InvalidInputError(
            f"{folder}: Prometheus cannot read targets from a path with '*'; choose another --root"
        )
    return _GLOB.sub(r"\\\1", str(folder)) + f"/{file_prefix(credentials)}-*.json"
