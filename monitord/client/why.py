"""Why a target is or is not scraped, from the session's files alone: the daemon need not run.

This module collects the facts; `targets.why` explains them.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.client.status import (
    PATIENCE_SECONDS,
    read_daemon,
    target_status,
    target_statuses,
)
from monitord.documents.limits import MAX_BYTES
from monitord.errors import InvalidInputError
from monitord.session.folder import Session
from monitord.session.lease import daemon_holder
from monitord.system.atomic import read_json, read_plain
from monitord.system.timestamps import from_iso
from monitord.targets.address import parse_exporter, parse_url
from monitord.targets.file_names import is_target_file
from monitord.targets.scrape_health import HealthKey, health_key
from monitord.targets.why import DaemonFacts, Facts, FileFacts, Written, explain, matching


@dataclass(frozen=True, slots=True)
class Explanation:
    """What became of the targets that were asked about, step by step, and what to do next."""

    asked: str
    targets: tuple[Mapping[str, Any], ...]

    @property
    def up(self) -> bool:
        """Whether every endpoint is up."""
        return all(answer["up"] for answer in self.targets)

    @property
    def next(self) -> str:
        """What to do about the first target that is not up."""
        down = next((f"{a['file']}: {a['next']}" for a in self.targets if not a["up"]), None)
        return down or str(self.targets[0]["next"])


def why(session: Session, asked: str, now: float) -> Explanation:
    """Explain a target file, by its name or path, or the endpoints at a URL or HOST:PORT.

    Raises InvalidInputError for a path outside of `targets/` and for an address that no file names.
    """
    return Explanation(asked, tuple(explain(facts, now) for facts in _facts(session, asked, now)))


def _facts(session: Session, asked: str, now: float) -> list[Facts]:
    evidence = Evidence(session, now)
    if "://" not in asked and not re.search(r":[0-9]+$", asked):
        return [evidence.of_file(_name_of(session, asked))]
    try:
        found = evidence.of_address(asked)
    except ValueError as error:
        raise InvalidInputError(f"{error}; give a file in targets/, a URL or HOST:PORT") from None
    if not found:
        raise InvalidInputError(
            f"no file in {session.targets} names {asked}; register it, for example with: "
            f"monitord service-register --session {session.name} --client-id C --name NAME --endpoint URL"
        )
    return found


def _name_of(session: Session, asked: str) -> str:
    path = Path(asked)
    if len(path.parts) > 1 and path.parent.resolve() != session.targets.resolve():
        raise InvalidInputError(
            f"{asked} is not in {session.targets}, the only folder that is read; copy it there: "
            f"cp {asked} {session.targets}/"
        )
    return path.name


@dataclass(frozen=True, slots=True)
class Evidence:
    """The facts in a session's folder, as it is now."""

    session: Session
    now: float

    def of_file(self, name: str) -> Facts:
        """Return the facts of one target file."""
        known = target_status(self.session, name)
        return self._facts(name, known, known["endpoints"] if known else (), self._written())

    def of_address(self, text: str) -> list[Facts]:
        """Return the facts of every file with an endpoint at a URL or `host:port`.

        A file that was refused, or not seen yet, counts when it names the address. Raises ValueError
        when the text is no address.
        """
        matches, written, found = matching(text), self._written(), []
        statuses = {status["file"]: status for status in target_statuses(self.session)}
        for file, status in statuses.items():
            if endpoints := [endpoint for endpoint in status["endpoints"] if matches(endpoint)]:
                found.append(self._facts(file, status, endpoints, written))
        named = {facts.file for facts in found}
        others = self._naming(text, statuses) - named
        found += [self._facts(file, statuses.get(file), (), written) for file in others]
        return sorted(found, key=lambda facts: facts.file)

    def _facts(
        self,
        name: str,
        status: Mapping[str, Any] | None,
        endpoints: Any,
        written: Mapping[HealthKey, Written] | None,
    ) -> Facts:
        found = _look(self.session.targets / name)
        ignored = status is None and not is_target_file(name)
        return Facts(
            self.session.name, name, self._daemon(), found, status, tuple(endpoints), written, ignored
        )

    def _daemon(self) -> DaemonFacts:
        state = read_daemon(self.session, self.now)
        running, status = state.running, state.status
        updated_at = status.get("updated_at")
        at = None if updated_at is None else from_iso(updated_at)
        phase = str(status.get("phase", "never started"))
        if not running and phase not in ("never started", "stopped", "failed"):
            phase = "it ended unexpectedly"
        # Another host's clock may be wrong: a daemon there counts as running only by a recent heartbeat.
        holder = daemon_holder(self.session.lease)
        is_here = holder is not None and holder.host == os.uname().nodename
        late = at is not None and self.now - at >= PATIENCE_SECONDS and (is_here or not running)
        return DaemonFacts(
            running, phase, at, late, str(status.get("host", "")), str(status.get("last_error") or "")
        )

    def _written(self) -> dict[HealthKey, Written] | None:
        """Return which file of file_sd holds each target, by its labels: files hold what they like."""
        found: dict[HealthKey, Written] = {}
        try:
            for path in sorted(self.session.file_sd.iterdir()):
                if path.suffix == ".json" and not path.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                        written = Written(path.name, path.stat().st_mtime)
                        found |= dict.fromkeys(_keys(read_json(path)), written)
        except OSError:
            return None
        return found

    def _naming(self, text: str, statuses: Mapping[str, Mapping[str, Any]]) -> set[str]:
        """Return the files that name an address, among those of which no endpoint is known."""
        address = parse_url(text) if "://" in text else parse_exporter(text)
        wanted = address.authority(address.host or "").encode()
        unknown = (
            name
            for name in (path.name for path in self.session.targets.iterdir())
            if is_target_file(name) and statuses.get(name, {}).get("state") != "accepted"
        )
        return {
            name
            for name in unknown
            if wanted in (read_plain(self.session.targets / name, MAX_BYTES + 1) or b"").lower()
        }


def _keys(groups: Any) -> Iterator[HealthKey]:
    """Yield the targets of a file_sd file, which may be anything if it is not the daemon's."""
    for group in groups if isinstance(groups, list) else ():
        if isinstance(group, dict) and isinstance(group.get("labels"), dict):
            for target in group.get("targets", ()):
                yield health_key({"instance": target, **group["labels"]})


def _look(path: Path) -> FileFacts | None:
    try:
        modified_at = path.lstat().st_mtime_ns / 1e9
    except OSError:
        return None
    content = read_plain(path, MAX_BYTES + 1)
    if content is None:
        return FileFacts(modified_at, None)
    import hashlib  # it loads OpenSSL, which `why URL` may never need

    return FileFacts(modified_at, hashlib.sha256(content).hexdigest())
