"""The text of a file_sd file. Pure and canonical: the same endpoints give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from monitord.durations import format_duration
from monitord.targets.model import Endpoint, Registration

DEFAULT_SCRAPE_TIMEOUT = 10.0


def render_groups(registration: Registration, scrape_interval: float) -> bytes:
    """Return a registration's target groups, one a line; `scrape_interval` (seconds) is the session's."""
    groups = (_group(endpoint, scrape_interval) for endpoint in registration.endpoints)
    return ",\n".join(
        sorted(json.dumps(group, sort_keys=True, ensure_ascii=False) for group in groups)
    ).encode()


def render_file(groups: Mapping[str, bytes]) -> bytes:
    """Return a file_sd file for the groups of some registrations, by name; `[]` for none."""
    lines = b",\n".join(groups[name] for name in sorted(groups))
    return b"[\n" + lines + b"\n]\n" if lines else b"[]\n"


def _group(endpoint: Endpoint, scrape_interval: float) -> dict[str, object]:
    url = urlsplit(endpoint.url)
    labels = dict(endpoint.labels)
    labels["__scheme__"] = url.scheme
    labels["__metrics_path__"] = unquote(url.path)  # Prometheus quotes it again
    labels.update({f"__param_{name}": value for name, value in parse_qsl(url.query, keep_blank_values=True)})
    if endpoint.interval is not None:
        labels["__scrape_interval__"] = format_duration(endpoint.interval)
    if endpoint.interval is not None or endpoint.timeout is not None:
        # Prometheus drops a target whose timeout is longer than its interval.
        timeout = min(endpoint.timeout or DEFAULT_SCRAPE_TIMEOUT, endpoint.interval or scrape_interval)
        labels["__scrape_timeout__"] = format_duration(timeout)
    return {"targets": [url.netloc], "labels": labels}
