"""A node's agent: runs the exporters of one node and keeps them registered, until a signal ends it.

It sleeps until an exporter ends or a signal arrives: wake-ups would disturb the measured node.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from monitord.client.drop_files import drop, remove
from monitord.errors import InvalidInputError, SlurmError
from monitord.exporters.exporter import Exporter
from monitord.exporters.kinds import Kind, MissingProgramError, find_program
from monitord.exporters.registration import Node
from monitord.exporters.report import Report, State
from monitord.session.folder import Session
from monitord.system.children import child_environment
from monitord.system.clock import SystemClock

_ENDINGS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
IDLE_SECONDS = 60.0
PUBLISH_AGAIN_SECONDS = 5.0


def run(session: Session, node: Node, kinds: Sequence[Kind], images: Mapping[str, str]) -> None:
    """Run the exporters of this node until SIGTERM, SIGINT or SIGHUP.

    The state of each kind is reported on standard output. Raises SlurmError when there is none to run.
    """
    with _signals_blocked(), tempfile.TemporaryDirectory(prefix="monitord-exporters-") as folder:
        exporters = {}
        for kind in kinds:
            try:
                program = find_program(kind, images, shutil.which, folder)
            except MissingProgramError as error:
                _report(node, Report(kind.name, State.MISSING, str(error)))
                continue
            environment = child_environment(os.environ)
            exporters[kind.name] = Exporter(kind, program, node, Path(folder), environment)
        if not exporters:
            raise SlurmError(
                f"node {node.name} can run no exporter of kind {', '.join(k.name for k in kinds)}"
            )
        _Agent(session, node, exporters).run()


class _Agent:
    """The exporters of one node, their target file, and the last report of each."""

    def __init__(self, session: Session, node: Node, exporters: Mapping[str, Exporter]) -> None:
        self._session = session
        self._node = node
        self._exporters = exporters
        self._file = session.targets / node.file_name()
        self._clock = SystemClock()
        self._published = b""
        self._reported: dict[str, Report] = {}
        self._failure = ""

    def run(self) -> None:
        try:
            while _next_signal(self._check()) not in _ENDINGS:
                pass
        finally:
            self._withdraw()
            for exporter in self._exporters.values():
                exporter.terminate()
            for exporter in self._exporters.values():
                exporter.stop()

    def _check(self) -> float:
        """Check every exporter, register and report changes; return after how many seconds to do so again."""
        now = self._clock.monotonic()
        looks = [exporter.look(now) for exporter in self._exporters.values()]
        if self._register():
            self._report_changes()
        else:
            looks.append(PUBLISH_AGAIN_SECONDS)
        return min((look for look in looks if look is not None), default=IDLE_SECONDS)

    def _register(self) -> bool:
        addresses = {kind: each.address for kind, each in self._exporters.items() if each.address}
        content = self._node.file_content(addresses) if addresses else b""
        if content == self._published:
            return True
        try:
            drop(self._session, self._file, content)
        except InvalidInputError as error:
            if str(error) != self._failure:
                self._failure = str(error)
                sys.stderr.write(f"monitord: {error}; retrying every {PUBLISH_AGAIN_SECONDS:g} s\n")
            return False
        self._published, self._failure = content, ""
        return True

    def _report_changes(self) -> None:
        for kind, exporter in self._exporters.items():
            if exporter.report is not None and exporter.report != self._reported.get(kind):
                self._reported[kind] = exporter.report
                _report(self._node, exporter.report)

    def _withdraw(self) -> None:
        """Remove the file, unless another agent has taken it over."""
        try:
            if self._published:
                remove(self._file, self._published)
        except InvalidInputError as error:
            sys.stderr.write(f"monitord: {error}\n")


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block the signals that `_next_signal` waits for; children do not inherit the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*_ENDINGS, signal.SIGCHLD})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _next_signal(seconds: float) -> int | None:
    """Sleep until a signal arrives or the time is over; return the signal, if any."""
    found = signal.sigtimedwait({*_ENDINGS, signal.SIGCHLD}, seconds)
    return None if found is None else found.si_signo


def _report(node: Node, report: Report) -> None:
    sys.stdout.write(report.line(node.name) + "\n")
    sys.stdout.flush()
