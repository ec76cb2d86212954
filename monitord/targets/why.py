"""The steps of a target file, how each went, and what to do about it. Pure.

A target file is seen, parsed, put in force, written for Prometheus and scraped; each step leaves a trace.
The first step that failed explains all later ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from shlex import quote
from typing import Any

from monitord.errors import Problem
from monitord.system.timestamps import from_iso, nearest_moment, to_iso
from monitord.targets.address import parse_exporter, parse_url
from monitord.targets.scrape_health import HealthKey, health_key


class Outcome(StrEnum):
    """How one step went."""

    OK = "ok"
    FAILED = "failed"
    PENDING = "pending"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DaemonFacts:
    """The session's daemon according to its heartbeat. `is_late`: the heartbeat is too old."""

    running: bool
    phase: str
    heartbeat_at: float | None = None
    is_late: bool = False
    host: str = ""
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """A file in the drop folder as it is now; `digest` is None when it could not be read."""

    modified_at: float
    digest: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """A file of file_sd, and when it was last written."""

    name: str
    at: float


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything in the session's files about one target file.

    `endpoints` are those that were asked about. `written` is None when file_sd could not be read.
    `is_ignored` means that files of this name are never read.
    """

    session: str
    file: str
    daemon: DaemonFacts
    found: FileFacts | None = None
    status: Mapping[str, Any] | None = None
    endpoints: Sequence[Mapping[str, Any]] = ()
    written: Mapping[HealthKey, Written] | None = field(default_factory=dict)
    is_ignored: bool = False

    @property
    def is_current(self) -> bool:
        """Whether the published status is about the file as it is now."""
        known = self.status["modified_at"] if self.status else None
        if self.found is None or known is None:
            return self.found is None and known is None
        return bool(known == to_iso(nearest_moment(self.found.modified_at)))

    @property
    def updated_at(self) -> float | None:
        return from_iso(self.status["updated_at"]) if self.status else None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: how it went, when (Unix seconds, where known), and what to do if it went wrong."""

    name: str
    outcome: Outcome
    detail: str
    at: float | None = None
    advice: str = ""
    problems: tuple[str, ...] = ()


# Problems of the file come before those of the daemon, because they must be corrected in any case.
_URGENT = ("seen", "parsed", "in force", "daemon", "written", "scraped")


def explain(facts: Facts, now: float) -> dict[str, Any]:
    """Return the steps of a target file, ready to be printed as JSON."""
    steps = [step(facts) for step in (_daemon, _seen, _parsed, _in_force, _written, _scraped)]
    bad = any(step.outcome in (Outcome.FAILED, Outcome.PENDING) for step in steps)
    up = not bad and steps[-1].outcome is Outcome.OK
    return {
        "file": facts.file,
        "up": up,
        "steps": [_step_json(step, now) for step in (*steps, _last_error(facts))],
        "endpoints": [_endpoint(endpoint, now) for endpoint in facts.endpoints],
        "next": _next(facts, {step.name: step for step in steps}, up=up),
    }


def matching(text: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return a function that checks whether an endpoint is at a URL or `host:port`.

    A loopback address is that of whichever node the client runs on. Raises ValueError when the text is
    neither.
    """
    asked = parse_url(text) if "://" in text else parse_exporter(text)
    whole = "://" in text and "/" in text.partition("://")[2]

    def matches(endpoint: Mapping[str, Any]) -> bool:
        try:
            has = parse_url(endpoint["url"])
        except ValueError:  # accepted by an earlier version, and still in force
            return False
        same_host = asked.is_local or asked.host in (has.host, endpoint["labels"].get("node"))
        same_rest = not whole or (asked.scheme, asked.path, asked.query) == (has.scheme, has.path, has.query)
        return asked.port == has.port and same_host and same_rest

    return matches


def _daemon(facts: Facts) -> Step:
    daemon, session = facts.daemon, facts.session
    at = daemon.heartbeat_at
    if not daemon.running:
        advice = f"start the daemon: monitord start --session {session} --local"
        detail = f"not running ({daemon.phase}); the steps below are from its last status"
        return Step("daemon", Outcome.FAILED, detail, at, advice)
    if daemon.is_late:
        advice = f"find out why the daemon on {daemon.host} hangs: tail logs/monitord.jsonl"
        return Step("daemon", Outcome.FAILED, "runs, but its heartbeat is old", at, advice)
    if daemon.phase != "ready":
        advice = f"wait for Prometheus: monitord wait --session {session} --for ready"
        return Step("daemon", Outcome.PENDING, f"{daemon.phase}: Prometheus does not answer yet", at, advice)
    return Step("daemon", Outcome.OK, f"ready on {daemon.host}", at)


def _seen(facts: Facts) -> Step:
    found, status = facts.found, facts.status
    if found is None:
        return _missing(facts)
    if facts.is_ignored:
        advice = f"rename {facts.file} to a name that ends with .yaml and does not begin with a dot"
        return Step("seen", Outcome.FAILED, "no file of this name is read", found.modified_at, advice)
    if status is None:
        return Step("seen", Outcome.PENDING, "the daemon has not seen the file yet", found.modified_at)
    if not facts.is_current:
        known = status["modified_at"] or "none"
        detail = f"the file changed; the daemon knows the version of {known}"
        return Step("seen", Outcome.PENDING, detail, found.modified_at)
    return Step("seen", Outcome.OK, "the daemon read the file as it is", found.modified_at)


def _missing(facts: Facts) -> Step:
    if facts.status is None:
        advice = f"write targets/{facts.file}; start from: monitord schema targets --example"
        return Step("seen", Outcome.FAILED, "there is no such file in targets/", None, advice)
    if not facts.is_current:
        return Step("seen", Outcome.PENDING, "the file was deleted; the daemon has not noticed yet")
    advice = f"write targets/{facts.file} again, if it is to be scraped"
    return Step("seen", Outcome.FAILED, "the file was deleted", facts.updated_at, advice)


def _parsed(facts: Facts) -> Step:
    status = facts.status
    if status is None:
        return Step("parsed", Outcome.UNKNOWN, "not read yet")
    which = "" if facts.is_current or facts.found is None else " (an earlier version)"
    if status["state"] == "refused":
        problems = tuple(str(Problem(**error)) for error in status["errors"])
        outcome = Outcome.PENDING if which else Outcome.FAILED
        advice = f"correct {facts.file}:{problems[0] if problems else ''}"
        return Step("parsed", outcome, f"refused{which}", facts.updated_at, advice, problems)
    if status["state"] == "withdrawn" and facts.found is None:
        return Step("parsed", Outcome.UNKNOWN, "there is nothing to read")
    at = status["accepted_at"] and from_iso(status["accepted_at"])
    return Step("parsed", Outcome.OK, f"accepted{which}", at)


def _in_force(facts: Facts) -> Step:
    status = facts.status
    if status is None:
        return Step("in force", Outcome.UNKNOWN, "nothing known")
    digest = status["in_force"]
    if digest is None:
        advice = "" if status["state"] == "refused" or facts.found is None else _revival(facts)
        detail = f"nothing: {status['reason'] or 'no version was ever accepted'}"
        return Step("in force", Outcome.FAILED, detail, facts.updated_at, advice)
    at = status["accepted_at"] and from_iso(status["accepted_at"])
    if facts.found is None:
        return Step("in force", Outcome.PENDING, f"the last version, {digest[:12]}", at)
    if facts.found.digest is None:
        return Step("in force", Outcome.UNKNOWN, f"{digest[:12]}; the file itself cannot be read by you", at)
    if facts.found.digest == digest:
        return Step("in force", Outcome.OK, f"this version, {digest[:12]}", at)
    outcome = Outcome.FAILED if status["state"] == "refused" and facts.is_current else Outcome.PENDING
    detail = f"an earlier version, {digest[:12]}; the file is now {facts.found.digest[:12]}"
    return Step("in force", outcome, detail, at)


def _revival(facts: Facts) -> str:
    if "lease" in str(facts.status and facts.status["reason"]):
        return f"touch {quote(f'targets/{facts.file}')}, more often than the length of its lease"
    return f"in {facts.file}, set slurm_job to a job in the queue, or remove it"


def _written(facts: Facts) -> Step:
    if facts.written is None:
        return Step("written", Outcome.UNKNOWN, "prometheus/file_sd cannot be read by you")
    if not facts.endpoints:
        return Step("written", Outcome.UNKNOWN, "nothing to write")
    found = [facts.written.get(health_key(endpoint["labels"])) for endpoint in facts.endpoints]
    there = [item for item in found if item is not None]
    files = ", ".join(sorted({item.name for item in there})[:3])
    at = max((item.at for item in there), default=None)
    if len(there) == len(found):
        return Step("written", Outcome.OK, f"{_count(found)} in file_sd: {files}", at)
    advice = "find out why the daemon cannot write prometheus/file_sd: tail logs/monitord.jsonl"
    missing = f"{len(found) - len(there)} of {_count(found)} missing from prometheus/file_sd"
    return Step("written", Outcome.FAILED, missing, at, advice)


def _scraped(facts: Facts) -> Step:
    if not facts.endpoints:
        registers_nothing = facts.status is not None and facts.status["in_force"] is not None
        outcome = Outcome.OK if registers_nothing else Outcome.UNKNOWN
        return Step("scraped", outcome, "the file names no endpoint" if registers_nothing else "nothing")
    healths = Counter(endpoint["health"] for endpoint in facts.endpoints)
    detail = ", ".join(f"{count} {health}" for health, count in sorted(healths.items()))
    if not facts.daemon.running:
        return Step("scraped", Outcome.UNKNOWN, f"at the last update: {detail}", facts.updated_at)
    if down := next((item for item in facts.endpoints if item["health"] == "down"), None):
        where = f" on {facts.daemon.host}" if facts.daemon.host else ""
        credentials = " with its credentials" if down.get("credentials") else ""
        advice = f"check that {down['url']} answers{credentials} ({down['last_error']}), "
        advice += f"for example: curl {quote(down['url'])}{where}"
        return Step("scraped", Outcome.FAILED, detail, facts.updated_at, advice)
    if set(healths) != {"up"}:
        return Step("scraped", Outcome.PENDING, detail, facts.updated_at)
    return Step("scraped", Outcome.OK, detail, facts.updated_at)


def _last_error(facts: Facts) -> Step:
    errors = [f"{item['url']}: {item['last_error']}" for item in facts.endpoints if item["last_error"]]
    if facts.daemon.last_error:
        errors.insert(0, f"daemon: {facts.daemon.last_error}")
    outcome = Outcome.FAILED if errors else Outcome.OK
    return Step("last error", outcome, errors[0] if errors else "none")


def _next(facts: Facts, steps: Mapping[str, Step], *, up: bool) -> str:
    if up:
        return "nothing to do: everything is up"
    wanted = [steps[name] for name in _URGENT]
    for outcome in (Outcome.FAILED, Outcome.PENDING):
        for step in wanted:
            if step.outcome is outcome and step.advice:
                return step.advice
    wanted_file = quote(f"target={facts.file}")
    return f"wait for it: monitord wait --session {facts.session} --for {wanted_file}"


def _step_json(step: Step, now: float) -> dict[str, Any]:
    return {
        "step": step.name,
        "outcome": step.outcome.value,
        "detail": step.detail,
        "at": None if step.at is None else to_iso(nearest_moment(step.at)),
        "age_seconds": None if step.at is None else round(now - step.at, 3),
        "problems": list(step.problems),
    }


def _endpoint(endpoint: Mapping[str, Any], now: float) -> dict[str, Any]:
    copied = ("url", "job", "health", "last_error", "last_scrape")
    scraped = endpoint["last_scrape"]
    age = None if scraped is None else round(now - from_iso(scraped), 3)
    return {**{key: endpoint[key] for key in copied}, "last_scrape_age_seconds": age}


def _count(items: Sequence[Any]) -> str:
    return f"{len(items)} endpoint{'' if len(items) == 1 else 's'}"
