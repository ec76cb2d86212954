"""The health of targets, read from Prometheus's list of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from monitord.errors import PrometheusError
from monitord.targets.registry import Registry

# Asked often until every target has been scraped once, then only for what may change.
FRESH_SECONDS = 0.5
DOWN_SECONDS = 5.0
SETTLED_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class ScrapeHealth:
    """What Prometheus reports about one target: `up`, `down` or `unknown`."""

    health: str = "unknown"
    last_error: str = ""
    last_scrape: str | None = None


HealthKey = tuple[str, str, str]  # client, job, instance


def health_key(labels: Mapping[str, str]) -> HealthKey:
    """Return the labels that identify a target, in our labels as in Prometheus's."""
    return (labels.get("client", ""), labels.get("job", ""), labels.get("instance", ""))


class _Labels(msgspec.Struct, gc=False, frozen=True):
    client: str = ""
    job: str = ""
    instance: str = ""


class _Target(msgspec.Struct, gc=False, frozen=True):
    labels: _Labels = _Labels()
    health: str = "unknown"
    lastError: str = ""  # noqa: N815  # Prometheus's name
    lastScrape: str = ""  # noqa: N815


class _Data(msgspec.Struct, gc=False, frozen=True):
    activeTargets: list[_Target]  # noqa: N815


class _Answer(msgspec.Struct, gc=False, frozen=True):
    data: _Data


def read_healths(body: bytes) -> dict[HealthKey, ScrapeHealth]:
    """Return the health of each target, from the answer of `/api/v1/targets`.

    The answer for 30,000 targets is 20 MB long: only what is needed of it is made into values.
    Raises PrometheusError when it is another answer.
    """
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except msgspec.MsgspecError as error:
        raise PrometheusError(f"the list of targets is not Prometheus's: {error}") from error
    return {
        (target.labels.client, target.labels.job, target.labels.instance): _health(target)
        for target in answer.data.activeTargets
    }


def _health(target: _Target) -> ScrapeHealth:
    never = not target.lastScrape or target.lastScrape.startswith("0001-")  # Go's zero time
    return ScrapeHealth(target.health, target.lastError, None if never else target.lastScrape)


def next_poll(registry: Registry, healths: Mapping[HealthKey, ScrapeHealth]) -> float:
    """Return in how many seconds to ask again."""
    found = {
        healths.get(health_key(endpoint.labels), ScrapeHealth()).health
        for registration in registry.in_force().values()
        for endpoint in registration.endpoints
    }
    return FRESH_SECONDS if "unknown" in found else DOWN_SECONDS if "down" in found else SETTLED_SECONDS
