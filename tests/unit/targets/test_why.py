"""What became of a target: each step from the traces it left, and the one thing to do next."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from monitord.system.timestamps import to_iso
from monitord.targets.scrape_health import health_key
from monitord.targets.why import DaemonFacts, Facts, FileFacts, Written, explain, matching

NOW = 1_700_000_000.0
DIGEST = "a" * 64
URL = "http://mel0042:8000/metrics"
WRITTEN = Written("shard-3.json", NOW - 45)
READY = DaemonFacts(True, "ready", NOW - 2, host="mel0001")


def endpoint(url: str = URL, health: str = "up", **more: Any) -> dict[str, Any]:
    host = url.split("/")[2]
    labels = {"client": "c1", "job": "web", "instance": host, "node": host.split(":")[0].split(".")[0]}
    told = {"last_error": "", "last_scrape": to_iso(NOW - 30), **more}
    return {"url": url, "job": "web", "labels": labels, "health": health, **told}


def status(**more: Any) -> dict[str, Any]:
    return {
        "file": "c1.yaml", "modified_at": to_iso(NOW - 60), "state": "accepted", "reason": "", "errors": [],
        "in_force": DIGEST, "accepted_at": to_iso(NOW - 50), "updated_at": to_iso(NOW - 40), **more,
    }  # fmt: skip


def facts(**more: Any) -> Facts:
    """The facts of a file that is up, but for what is given."""
    whole = Facts(
        "s", "c1.yaml", READY, FileFacts(NOW - 60, DIGEST), status(), (endpoint(),),
        {("c1", "web", "mel0042:8000"): WRITTEN},
    )  # fmt: skip
    return replace(whole, **more)


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    return {step["step"]: step["outcome"] for step in answer["steps"]}


def step(answer: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [step for step in answer["steps"] if step["step"] == name]
    return dict(found)


def test_everything_is_up_and_every_step_has_its_age() -> None:
    answer = explain(facts(), NOW)
    assert answer["up"]
    assert answer["next"] == "nothing to do: everything is up"
    assert {s["step"]: s["age_seconds"] for s in answer["steps"]} == {
        "daemon": 2, "seen": 60, "parsed": 50, "in force": 50, "written": 45, "scraped": 40,
        "last error": None,
    }  # fmt: skip
    assert set(outcomes(answer).values()) == {"ok"}
    assert step(answer, "written")["detail"] == "1 endpoint in file_sd: shard-3.json"
    assert answer["endpoints"][0]["last_scrape_age_seconds"] == 30


REFUSED = {
    "state": "refused",
    "errors": [{"line": 2, "column": 3, "field": "node", "message": "bad"},
               {"line": 4, "column": 1, "field": "", "message": "worse"}],
}  # fmt: skip
DELETED = {"state": "withdrawn", "modified_at": None, "in_force": None, "accepted_at": None,
           "reason": "the file was deleted"}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "bad", "advice"),
    [
        (facts(found=None, status=None, endpoints=()), {"seen": "failed"}, "write targets/c1.yaml; start"),
        (facts(found=None, status=status(**DELETED), endpoints=()),
         {"seen": "failed", "in force": "failed"}, "write targets/c1.yaml again"),
        (facts(found=None), {"seen": "pending", "in force": "pending"}, "wait for it: monitord wait"),
        (facts(status=None, endpoints=()), {"seen": "pending"}, "--session s --for target=c1.yaml"),
        (facts(file="c1.txt", status=None, endpoints=(), is_ignored=True), {"seen": "failed"}, "rename"),
        (facts(found=FileFacts(NOW - 5, "b" * 64)), {"seen": "pending", "in force": "pending"}, "wait for"),
        (facts(status=status(**REFUSED, in_force=None, accepted_at=None), endpoints=()),
         {"parsed": "failed", "in force": "failed"}, "correct c1.yaml:2:3: node: bad"),
        (facts(found=FileFacts(NOW - 60, "b" * 64), status=status(**REFUSED)),
         {"parsed": "failed", "in force": "failed"}, "correct c1.yaml:2:3: node: bad"),
        (facts(status=status(state="withdrawn", in_force=None, reason="the lease expired: …"), endpoints=()),
         {"in force": "failed"}, "touch targets/c1.yaml"),
        (facts(status=status(state="withdrawn", in_force=None, reason="Slurm job 7 has left"), endpoints=()),
         {"in force": "failed"}, "in c1.yaml, set slurm_job to a job"),
        (facts(written={}), {"written": "failed"}, "why the daemon cannot write"),
        (facts(endpoints=(endpoint(health="unknown"),)), {"scraped": "pending"}, "wait for it"),
        (facts(endpoints=(endpoint(health="down", last_error="401", credentials={"username": "b"}),)),
         {"scraped": "failed"}, f"check that {URL} answers with its credentials (401)"),
        (facts(endpoints=(endpoint(health="down", last_error="refused"),)),
         {"scraped": "failed"}, f"curl {URL} on mel0001"),
        (facts(daemon=DaemonFacts(False, "never started")), {"daemon": "failed"}, "start the daemon"),
        (facts(daemon=replace(READY, is_late=True)), {"daemon": "failed"}, "the daemon on mel0001 hangs"),
        (facts(daemon=replace(READY, phase="starting")), {"daemon": "pending"}, "--for ready"),
    ],
)  # fmt: skip
def test_what_went_wrong_and_what_to_do(found: Facts, bad: dict[str, str], advice: str) -> None:
    answer = explain(found, NOW)
    assert not answer["up"]
    assert advice in answer["next"]
    ways = outcomes(answer)
    ways.pop("last error")
    assert {name: way for name, way in ways.items() if way in ("failed", "pending")} == bad


HOSTILE = [
    "http://h:1/;echo$IFS'ran'",
    "http://h:1/$(echo$IFS'ran')",
    "http://h:1/`echo$IFS'ran'`?a=1&echo_ran",
]


@pytest.mark.parametrize("url", HOSTILE)
def test_a_command_to_copy_holds_a_hostile_url_as_one_word(url: str) -> None:
    down = endpoint(url=url, health="down", last_error="refused")
    advice = explain(facts(endpoints=(down,), written={health_key(down["labels"]): WRITTEN}), NOW)["next"]
    command = advice.rpartition("for example: ")[2].removesuffix(" on mel0001")
    assert shlex.split(command) == ["curl", url]
    shell = subprocess.run(
        ["sh", "-c", command.replace("curl", "printf %s", 1)], capture_output=True, check=True
    )
    assert shell.stdout.decode() == url


def test_nor_does_a_hostile_file_name_run() -> None:
    advice = explain(facts(file="$(x);.yaml", status=None, endpoints=()), NOW)["next"]
    assert shlex.split(advice.partition("monitord ")[2]) == [
        "wait",
        "--session",
        "s",
        "--for",
        "target=$(x);.yaml",
    ]
    status_of = status(state="withdrawn", in_force=None, reason="the lease expired: …")
    advice = explain(facts(file="$(x).yaml", status=status_of, endpoints=()), NOW)["next"]
    assert advice.startswith("touch 'targets/$(x).yaml',")


def test_every_problem_of_a_refused_file_is_told_and_the_version_in_force() -> None:
    answer = explain(facts(found=FileFacts(NOW - 60, "b" * 64), status=status(**REFUSED)), NOW)
    assert step(answer, "parsed")["problems"] == ["2:3: node: bad", "4:1: worse"]
    assert step(answer, "in force")["detail"].startswith("an earlier version, aaaa")


def test_a_refusal_of_an_earlier_version_is_no_reason_to_change_the_new_one() -> None:
    answer = explain(facts(found=FileFacts(NOW, "b" * 64), status=status(**REFUSED)), NOW)
    assert step(answer, "parsed")["outcome"] == "pending"
    assert "an earlier version" in step(answer, "parsed")["detail"]


def test_what_is_wrong_in_the_file_is_said_before_that_no_daemon_runs() -> None:
    daemon = DaemonFacts(False, "stopped", NOW - 9)
    answer = explain(facts(daemon=daemon, status=status(**REFUSED), endpoints=()), NOW)
    assert answer["next"].startswith("correct c1.yaml")


def test_without_a_daemon_nobody_knows_what_is_up() -> None:
    answer = explain(facts(daemon=DaemonFacts(False, "stopped", NOW - 9)), NOW)
    assert step(answer, "scraped")["outcome"] == "unknown"
    assert step(answer, "scraped")["detail"] == "at the last update: 1 up"


def test_what_may_not_be_read_is_unknown_and_no_failure() -> None:
    answer = explain(facts(written=None, found=FileFacts(NOW - 60, None)), NOW)
    assert answer["up"]
    assert (step(answer, "written")["outcome"], step(answer, "in force")["outcome"]) == ("unknown", "unknown")


def test_a_file_that_registers_nothing_is_as_up_as_it_can_be() -> None:
    answer = explain(facts(endpoints=()), NOW)
    assert answer["up"]
    assert step(answer, "scraped")["detail"] == "the file names no endpoint"


def test_one_endpoint_of_several_down_is_told_with_its_error() -> None:
    down = endpoint("http://mel0043:8000/metrics", "down", last_error="connection refused", last_scrape=None)
    answer = explain(facts(endpoints=(endpoint(), down)), NOW)
    assert step(answer, "scraped")["detail"] == "1 down, 1 up"
    assert step(answer, "written")["detail"] == "1 of 2 endpoints missing from prometheus/file_sd"
    assert step(answer, "last error")["detail"] == "http://mel0043:8000/metrics: connection refused"
    assert answer["endpoints"][1]["last_scrape_age_seconds"] is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (URL, True),
        ("mel0042:8000", True),
        ("MEL0042:8000", True),
        ("http://mel0042:8000", True),
        ("http://mel0042:8000/", False),
        ("http://mel0042:8000/other", False),
        ("https://mel0042:8000/metrics", False),
        ("mel0042:8001", False),
        ("mel0043:8000", False),
        ("localhost:8000", True),
        ("http://127.0.0.1:8000/metrics", True),
        ("localhost:8001", False),
    ],
)
def test_an_endpoint_is_found_by_its_url_or_address(asked: str, expected: bool) -> None:
    assert matching(asked)(endpoint()) is expected


def test_an_endpoint_is_found_by_its_nodes_short_name() -> None:
    assert matching("mel0042:8000")(endpoint("http://mel0042.cluster:8000/metrics"))
    with pytest.raises(ValueError, match="is not an http or https URL"):
        matching("ftp://mel0042:8000/")
