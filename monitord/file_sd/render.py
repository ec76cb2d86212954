"""The text of a file_sd file. Pure and canonical: the same endpoints give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, unquote, urlsplit

from monitord.documents.durations import format_duration
from monitord.targets.credentials import ScrapeCredentials
from monitord.targets.model import Endpoint

DEFAULT_SCRAPE_TIMEOUT = 10.0


def file_prefix(credentials: ScrapeCredentials | None) -> str:
    """Return how the names of the files begin whose targets are all scraped with these credentials.

    Prometheus takes credentials from its configuration alone, so each have a scrape job of their own,
    and that job reads the files of this name.
    """
    return f"auth-{credentials.digest}" if credentials else "targets"


def render_groups(endpoints: Iterable[Endpoint], scrape_interval: float) -> bytes:
    """Return target groups, one a line; `scrape_interval` (seconds) is the session's."""
    groups = (_group(endpoint, scrape_interval) for endpoint in endpoints)
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
