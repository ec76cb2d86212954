"""The lines in which a node's agent reports its exporters: written by the agent, read by `steps`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """The state of one kind of exporter on one node."""

    UP = "up"
    MISSING = "missing"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Report:
    """The state of one kind: `detail` is its `host:port` when it is up, else the reason."""

    kind: str
    state: State
    detail: str

    def line(self, node: str) -> str:
        """Write it as one line, for people who read the log and for `read_outcome`."""
        return f"{node}: {self.kind}: {self.state}: {' '.join(self.detail.split())}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of a node: the last report of each exporter, and why its step has ended, if it has."""

    node: str
    reports: dict[str, Report] = field(default_factory=dict)
    ended: str = ""

    def is_settled(self, kinds: Iterable[str]) -> bool:
        """Return whether every kind is up or known not to be."""
        return bool(self.ended) or all(kind in self.reports for kind in kinds)

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses of the exporters that are up."""
        if self.ended:
            return {}
        return {kind: each.detail for kind, each in self.reports.items() if each.state is State.UP}

    def problems(self, kinds: Iterable[str]) -> dict[str, str]:
        """Return for each kind that is not up the reason."""
        unknown = Report("", State.FAILED, self.ended or "has not answered yet")
        reports = {kind: self.reports.get(kind, unknown) for kind in kinds}
        return {
            kind: self.ended if each.state is State.UP else each.detail
            for kind, each in reports.items()
            if kind not in self.addresses
        }


_LINE = re.compile(rf"(?P<kind>[a-z]+): (?P<state>{'|'.join(State)}): (?P<detail>.*)")


def read_outcome(node: str, log: str, exit_code: int | None) -> Outcome:
    """Read a node's log; `exit_code` is that of its step, None while it runs.

    The last report of a kind counts.
    """
    reports, others = {}, []
    for line in log.splitlines():
        text = line.removeprefix(f"{node}: ")
        if text != line and (found := _LINE.fullmatch(text)):
            report = Report(found["kind"], State(found["state"]), found["detail"])
            reports[report.kind] = report
        elif line.strip():
            others.append(line.strip())
    if exit_code is None:
        return Outcome(node, reports)
    return Outcome(node, reports, _reason(others) or f"its step ended with exit code {exit_code}")


def _reason(lines: list[str]) -> str:
    """Return the most telling line: the agent's last error, else srun's, else the last line."""
    for sign in ("monitord: ", "error: ", ""):
        if found := [line for line in lines if sign in line]:
            return found[-1]
    return ""
