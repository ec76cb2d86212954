"""What is published of a file, and what a restart makes of it."""

from __future__ import annotations

import json

import pytest

from monitord.errors import Problem, PrometheusError
from monitord.targets.feedback import deleted_status, restore, target_status
from monitord.targets.parse import parse
from monitord.targets.registry import Entry, Registry, Seen, State, restored, update
from monitord.targets.resolve import Place
from monitord.targets.scrape_health import (
    DOWN_SECONDS,
    FRESH_SECONDS,
    SETTLED_SECONDS,
    ScrapeHealth,
    health_key,
    next_poll,
    read_healths,
)

CONTENT = b"""\
client: c1
exporters: {node: "h:9100"}
services: [{name: a, endpoint: "http://h:1/", interval: 2s, timeout: 1s}]
lease: 1m
slurm_job: 7
"""
NOW = 1_700_000_000.0


def registry_of(content: bytes = CONTENT, at: float = NOW) -> Registry:
    seen = Seen("f.yaml", at, parse(content, "f.yaml", "s", Place("h")))
    return update(Registry(), [seen], (), frozenset(), NOW)[0]


def entry_of(content: bytes = CONTENT) -> Entry:
    return registry_of(content).entries["f.yaml"]


def test_a_status_holds_what_the_contract_says() -> None:
    entry = entry_of()
    assert entry.in_force is not None
    key = health_key(entry.in_force.endpoints[1].labels)
    status = target_status(entry, {key: ScrapeHealth("down", "refused", "2026-01-01T00:00:00Z")})
    assert status["state"] == "accepted"
    assert status["errors"] == []
    assert status["in_force"] == entry.in_force.digest
    first, second = status["endpoints"]
    assert (first["url"], first["job"], first["health"]) == ("http://h:9100/metrics", "node", "unknown")
    assert second["labels"]["service"] == "a"
    assert (second["health"], second["last_error"], second["last_scrape"]) == (
        "down",
        "refused",
        "2026-01-01T00:00:00Z",
    )


def test_a_restart_restores_what_was_in_force() -> None:
    before = entry_of()
    status = json.loads(json.dumps(target_status(before, {})))
    after = restore(status, NOW + 5)
    assert after is not None
    assert after.in_force == before.in_force
    assert (after.state, after.accepted_at) == (State.ACCEPTED, NOW)
    assert target_status(after, {}) == target_status(before, {})


def test_a_restart_restores_with_what_it_is_scraped() -> None:
    before = entry_of(CONTENT + b"basic_auth: {username: b, password_file: /s/pw}\n")
    status = json.loads(json.dumps(target_status(before, {})))
    assert status["endpoints"][0]["credentials"] == {"username": "b", "password_file": "/s/pw"}
    after = restore(status, NOW)
    assert after is not None
    assert after.in_force == before.in_force
    for endpoint in status["endpoints"]:
        del endpoint["credentials"]  # as a version without them wrote it
    assert restore(status, NOW) is not None


def test_a_restart_restores_why_the_newer_version_was_refused() -> None:
    problems = (Problem(1, 2, "a", "b"),)
    seen = Seen("f.yaml", NOW, None, problems)
    before = update(registry_of(), [seen], (), frozenset(), NOW)[0].entries["f.yaml"]
    after = restore(json.loads(json.dumps(target_status(before, {}))), NOW)
    assert after is not None
    assert (after.in_force, after.problems) == (before.in_force, problems)


def test_a_lease_counts_from_the_restart_until_the_file_is_read() -> None:
    entry = restore(json.loads(json.dumps(target_status(entry_of(), {}))), NOW + 3600)
    assert entry is not None
    registry = restored([entry])
    assert update(registry, (), (), frozenset(), NOW + 3601)[0].in_force()
    assert not update(registry, (), (), frozenset(), NOW + 3660)[0].in_force()
    old = Seen("f.yaml", NOW, entry.in_force)
    assert not update(registry, [old], (), frozenset(), NOW + 3601)[0].in_force()


def test_nothing_in_force_is_nothing_to_restore() -> None:
    assert restore(deleted_status("f.yaml"), NOW) is None


@pytest.mark.parametrize(
    "status", [{}, {"in_force": "x"}, None, [], {**deleted_status("f"), "in_force": "x"}]
)
def test_what_is_no_status_of_ours_is_refused(status: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        restore(status, NOW)


# --- what Prometheus says


def active(health: str, last_scrape: str = "2026-01-01T00:00:00Z") -> dict[str, object]:
    labels = {"client": "c1", "job": "a", "instance": "h:1", "node": "h"}
    return {"labels": labels, "health": health, "lastError": "", "lastScrape": last_scrape}


def listed(*targets: dict[str, object]) -> bytes:
    return json.dumps(
        {"status": "success", "data": {"activeTargets": targets, "droppedTargets": []}}
    ).encode()


def test_a_target_never_scraped_has_no_last_scrape() -> None:
    [health] = read_healths(listed(active("unknown", "0001-01-01T00:00:00Z"))).values()
    assert health == ScrapeHealth("unknown", "", None)
    assert read_healths(listed({})) == {("", "", ""): ScrapeHealth()}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data": {"activeTargets": [{"health": 7}]}}'])
def test_what_is_no_list_of_targets_is_refused(body: bytes) -> None:
    with pytest.raises(PrometheusError, match="the list of targets is not Prometheus's"):
        read_healths(body)


@pytest.mark.parametrize(
    ("health", "seconds"), [("unknown", FRESH_SECONDS), ("down", DOWN_SECONDS), ("up", SETTLED_SECONDS)]
)
def test_health_is_asked_for_often_only_while_it_changes(health: str, seconds: float) -> None:
    registry = registry_of(b'services: [{name: a, endpoint: "http://h:1/"}]\nclient: c1\n')
    assert next_poll(registry, read_healths(listed(active(health)))) == seconds
    assert next_poll(registry, {}) == FRESH_SECONDS
    assert next_poll(Registry(), {}) == SETTLED_SECONDS
