"""The demo: everything that monitord does, on one machine, in under a minute.

Everything started here ends here: in order when the tour is over, also after Ctrl-C, and by the
kernel should this process be killed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.client.drop_files import drop
from monitord.client.results import result_of
from monitord.client.status import daemon_status, is_ready, target_status, window_status
from monitord.client.windows import close_opened, open_window
from monitord.errors import MonitordError, NotReadyError
from monitord.prometheus.child.logfmt import listening_url
from monitord.session.folder import Session
from monitord.session.settings import render_settings
from monitord.system.children import Child, python_module, spawn

WINDOW = "demo"
PATIENCE_SECONDS = 30.0
STOP_SECONDS = 40.0

Print = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """Where the artifacts are, and what the service itself counted in the same window."""

    artifacts: Path
    truth: dict[str, Any]


class Tour:
    """One run of the demo in a new session."""

    def __init__(self, root: Path, name: str, seconds: float, log: Print, show: Print) -> None:
        """`log` prints a step that is done, `show` what is being waited for."""
        self.session = Session(root, name)
        self.seconds = seconds
        self._log = log
        self._show = show

    def run(self) -> Result:
        """Run every step. Raises MonitordError when one fails; nothing is left running either way."""
        session = self.session
        session.create(
            render_settings({"session": session.name, "scrape_interval": "1s", "prometheus.port": 0})
        )
        self._log(f"session     {session.folder}")
        with ExitStack() as running:
            daemon = running.enter_context(self._daemon())
            url = running.enter_context(self._service())
            self._drop("web.yaml", f"services: [{{name: web, endpoint: {url}/metrics}}]\n")
            exporter = running.enter_context(self._node_exporter())
            if exporter is not None:
                self._drop("node.yaml", f'exporters: {{node: "{exporter}/metrics"}}\n')
            self._await(self._all_up, "all targets to be up", daemon)
            self._measure(daemon)
            result = result_of(session, WINDOW)
            truth = _read_truth(url, result.manifest["window"])
        return Result(result.folder, truth)

    @contextmanager
    def _daemon(self) -> Iterator[Child]:
        session = self.session
        argv = [*python_module("monitord"), "run", "--root", str(session.root), "-s", session.name]
        daemon = spawn(argv, session.logs / "daemon.out", os.environ)
        try:
            self._await(lambda: is_ready(self.session, time.time()), "the daemon", daemon)
            prometheus = daemon_status(self.session)["prometheus"]
            self._log(
                f"daemon      pid {daemon.pid}; Prometheus {prometheus['version']} on {prometheus['url']}"
            )
            yield daemon
        except BaseException:
            daemon.terminate()  # the second signal, below, then cuts short what it is still collecting
            raise
        finally:
            daemon.stop(STOP_SECONDS)

    @contextmanager
    def _service(self) -> Iterator[str]:
        log = self.session.logs / "demo-service.log"
        service = spawn(python_module("monitord.demo.service"), log, os.environ)
        try:
            self._await(lambda: log.read_bytes().endswith(b"}\n"), "the demo service", service)
            started = json.loads(log.read_text())
            self._log(f"service     {started['url']}, under {started['rate']:g} requests per second")
            yield started["url"]
        finally:
            service.stop(5)

    @contextmanager
    def _node_exporter(self) -> Iterator[str | None]:
        binary = _find_node_exporter()
        if binary is None:
            self._log("node        no node_exporter in $PATH: cpu_util will have no data")
            yield None
            return
        log = self.session.logs / "node-exporter.log"
        exporter = spawn([binary, "--web.listen-address=127.0.0.1:0"], log, os.environ)
        try:
            self._await(lambda: listening_url(log.read_text()), "node_exporter", exporter)
            url = listening_url(log.read_text())
            self._log(f"node        {url}")
            yield url
        finally:
            exporter.stop(5)

    def _drop(self, name: str, content: str) -> None:
        file = drop(self.session, self.session.targets / name, content.encode())
        self._log(f"target      {file}")

    def _measure(self, daemon: Child) -> None:
        opened = open_window(self.session, WINDOW)
        self._log(f"window      {WINDOW} is open for {self.seconds:g} s")
        end = time.monotonic() + self.seconds
        self._await(lambda: time.monotonic() >= end, "the window's end", daemon, self.seconds + 1)
        close_opened(self.session, opened)
        self._await(self._collected, "the collection", daemon)

    def _all_up(self) -> bool:
        drops = {path.name for path in self.session.targets.iterdir()}
        statuses = [target_status(self.session, name) for name in drops]
        return all(
            status and all(endpoint["health"] == "up" for endpoint in status["endpoints"])
            for status in statuses
        )

    def _collected(self) -> bool:
        status = window_status(self.session, WINDOW)
        if status and status["state"] == "failed":
            raise MonitordError(f"the window failed: {status['reason']}")
        return bool(status and status["state"] == "done")

    def _await(
        self, done: Callable[[], Any], what: str, child: Child, seconds: float = PATIENCE_SECONDS
    ) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            self._show(f"waiting for {what} ({max(deadline - time.monotonic(), 0):.0f} s at most)")
            if child.poll() is not None:
                reason = daemon_status(self.session).get("last_error") or f"see {self.session.logs}"
                raise MonitordError(f"a process of the demo ended while waiting for {what}: {reason}")
            if time.monotonic() >= deadline:
                raise NotReadyError(
                    f"timed out after {seconds:g} s waiting for {what}; see {self.session.logs}"
                )
            time.sleep(0.05)


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Have SIGTERM end the demo as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _find_node_exporter() -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    return shutil.which("prometheus-node-exporter", path=path) or shutil.which("node_exporter", path=path)


def _read_truth(url: str, window: Mapping[str, Any]) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/truth?from={window['from']}&to={window['to']}", timeout=5) as answer:  # noqa: S310
        truth: dict[str, Any] = json.load(answer)
    return truth
