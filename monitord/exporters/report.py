"""What a node's agent tells of its exporters: a line each time something changed, and read again. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """What has become of one kind on one node."""

    UP = "up"
    MISSING = "missing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Report:
    """What has become of one kind: its `host:port` when it is up, else the reason, on one line."""

    kind: str
    state: State
    detail: str

    def line(self, node: str) -> str:
        """Write it for people who read a log, and for `read_reports`."""
        return f"{node}: {self.kind}: {self.state}: {' '.join(self.detail.split())}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of a node: what was told of its exporters, and why there is nothing to come."""

    node: str
    reports: dict[str, Report] = field(default_factory=dict)
    ended: str = ""

    def is_settled(self, kinds: Iterable[str]) -> bool:
        """Say whether every kind is up, or known not to be."""
        return bool(self.ended) or all(kind in self.reports for kind in kinds)

    @property
    def addresses(self) -> dict[str, str]:
        """Where those that are up are reached."""
        if self.ended:
            return {}
        return {kind: told.detail for kind, told in self.reports.items() if told.state is State.UP}

    def problems(self, kinds: Iterable[str]) -> dict[str, str]:
        """Say of each kind that is not up why."""
        unknown = Report("", State.FAILED, self.ended or "has not answered yet")
        told = {kind: self.reports.get(kind, unknown) for kind in kinds}
        return {
            kind: self.ended if each.state is State.UP else each.detail
            for kind, each in told.items()
            if kind not in self.addresses
        }


_LINE = re.compile(rf"(?P<kind>[a-z]+): (?P<state>{'|'.join(State)}): (?P<detail>.*)")


def read_outcome(node: str, log: str, exit_code: int | None) -> Outcome:
    """Read what a node's log says; `exit_code` is that of its step, None while it runs.

    The last that was told of a kind counts.
    """
    reports, others = {}, []
    for line in log.splitlines():
        said = line.removeprefix(f"{node}: ")
        if said != line and (found := _LINE.fullmatch(said)):
            report = Report(found["kind"], State(found["state"]), found["detail"])
            reports[report.kind] = report
        elif line.strip():
            others.append(line.strip())
    if exit_code is None:
        return Outcome(node, reports)
    return Outcome(node, reports, _reason(others) or f"its step ended with exit code {exit_code}")


def _reason(lines: list[str]) -> str:
    """Return the line that says most: the agent's own error, else srun's last, else the last at all."""
    for sign in ("monitord: ", "error: ", ""):
        if found := [line for line in lines if sign in line]:
            return found[-1]
    return ""
