"""What Prometheus says of the targets, read from its list of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from monitord.targets.feedback import Health, HealthKey, health_key
from monitord.targets.registry import Registry

# Asked often until every target has been scraped once, then only for what may change.
FRESH_SECONDS = 0.5
DOWN_SECONDS = 5.0
SETTLED_SECONDS = 15.0


def read_healths(active: Iterable[Mapping[str, Any]]) -> dict[HealthKey, Health]:
    """Return the health of each target, from the answer of `/api/v1/targets`."""
    healths = {}
    for target in active:
        never = str(target.get("lastScrape", "")).startswith("0001-")  # Go's zero time
        healths[health_key(target.get("labels", {}))] = Health(
            health=target.get("health", "unknown"),
            last_error=target.get("lastError", ""),
            last_scrape=None if never else target.get("lastScrape"),
        )
    return healths


def next_poll(registry: Registry, healths: Mapping[HealthKey, Health]) -> float:
    """Return in how many seconds to ask again."""
    found = {
        healths.get(health_key(endpoint.labels), Health()).health
        for registration in registry.in_force().values()
        for endpoint in registration.endpoints
    }
    return FRESH_SECONDS if "unknown" in found else DOWN_SECONDS if "down" in found else SETTLED_SECONDS
