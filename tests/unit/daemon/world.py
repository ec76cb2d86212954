"""A session whose reconciler of targets runs on real folders, with a clock that stands still."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from monitord.daemon.addresses import AddressCheck
from monitord.daemon.credential_check import AccessCheck
from monitord.daemon.reading import TargetReader
from monitord.daemon.targets import TargetReconciler
from monitord.prometheus.config.run_folder import RunFolder
from monitord.prometheus.data.data_location import Location
from monitord.session.settings import check_settings
from monitord.targets.admission import rules_of
from monitord.targets.references import problem_of
from monitord.targets.resolve import Place
from monitord.targets.scrape_health import HealthKey, ScrapeHealth
from tests.fakes.clock import FakeClock
from tests.fakes.guard import held_session
from tests.fakes.log import Entries, recording_log

GOOD = b"client: c1\nservices: [{name: a, endpoint: 'http://h:1/'}]\n"

# Files are written in place here, and no event tells of it.
SETTINGS = check_settings(b"watch: {poll_interval: 100ms, full_scan_interval: 100ms}\n")


class World:
    """A session whose daemon can be started, looked at and started again."""

    def __init__(self, root: Path) -> None:
        self.session = held_session(root)
        self.session.create(b"session: s\n")
        self.clock = FakeClock()
        self.ended: frozenset[str] = frozenset()
        self.settings = SETTINGS
        self.names: dict[str, tuple[str, ...]] = {"h": ("10.0.0.7",)}
        self.asked: list[set[str]] = []
        self.trouble: Exception | None = None
        self.uid = os.geteuid()
        self.problem_of = problem_of
        self.start()

    def start(self) -> None:
        self.entries: Entries
        log, self.entries = recording_log()
        self.woken: list[str] = []
        reader = TargetReader(
            self.session.name, Place("h"), AddressCheck(rules_of(self.settings.targets), self.resolve),
            AccessCheck(problem_of=self.problem_of, uid=self.uid),
        )  # fmt: skip
        self.reconciler = TargetReconciler(
            self.session, reader, self.settings, self.clock, log, lambda jobs: self.ended & jobs,
            wake=self.woken.append, run_folder=RunFolder(Location(self.session.run_folder, "a test")),
        )  # fmt: skip

    def resolve(self, names: Collection[str], _: float) -> dict[str, tuple[str, ...]]:
        self.asked.append(set(names))
        if self.trouble:
            raise self.trouble
        return {name: self.names[name] for name in names if name in self.names}

    def drop(self, name: str, content: bytes, age: float = 60.0) -> Path:
        path = self.session.targets / name
        path.write_bytes(content)
        self.touch(path, age)
        return path

    def touch(self, path: Path, age: float = 60.0) -> None:
        os.utime(path, (self.clock.now() - age,) * 2)

    def settle(self, rounds: int = 6) -> None:
        for _ in range(rounds):
            self.round()
            self.clock.advance(0.5)

    def pass_by(self, seconds: float) -> None:
        """Let time go by in which the daemon goes on with its rounds."""
        for _ in range(round(seconds / 5.0)):
            self.clock.advance(5.0)
            self.round()

    def round(self) -> None:
        self.reconciler.reconcile()
        while self.reconciler.publish_statuses():
            pass

    def set_healths(self, healths: dict[HealthKey, ScrapeHealth]) -> None:
        self.reconciler.set_healths(healths)
        self.reconciler.publish_statuses()

    def status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self.session.target_status(name).read_bytes())
        return status

    def scraped(self) -> set[str]:
        """Return the jobs in the files that Prometheus reads."""
        return {
            group["labels"]["job"]
            for path in self.session.file_sd.iterdir()
            for group in json.loads(path.read_bytes())
        }
