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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.client.status import daemon_status, is_ready
from monitord.errors import MonitordError, NotReadyError
from monitord.prometheus.child.logfmt import listening_url
from monitord.session.folder import Session
from monitord.session.settings import render_settings
from monitord.system.atomic import read_json
from monitord.system.children import Child, python_module, spawn

WINDOW = "demo"
PATIENCE_SECONDS = 30.0
STOP_SECONDS = 40.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """Where the artifacts are, and what the service itself counted in the same window."""

    artifacts: Path
    truth: dict[str, Any]


class Tour:
    """One run of the demo in a session of its own."""

    def __init__(self, root: Path, name: str, seconds: float, say: Say, show: Say) -> None:
        """`say` gets what has been done, `show` what is being waited for."""
        self.session = Session(root, name)
        self.seconds = seconds
        self._say = say
        self._show = show

    def run(self) -> Result:
        """Do it all. Raises MonitordError when a step fails; nothing is left running either way."""
        session = self.session
        session.create(
            render_settings({"session": session.name, "scrape_interval": "1s", "prometheus.port": 0})
        )
        self._say(f"session     {session.folder}")
        with ExitStack() as running:
            daemon = running.enter_context(self._daemon())
            url = running.enter_context(self._service())
            self._drop("web.yaml", f"services: [{{name: web, endpoint: {url}/metrics}}]\n")
            exporter = running.enter_context(self._node_exporter())
            if exporter is not None:
                self._drop("node.yaml", f'exporters: {{node: "{exporter}/metrics"}}\n')
            self._await(self._all_up, "all targets to be up", daemon)
            self._measure(daemon)
            artifacts = session.artifacts / WINDOW
            truth = _ask_truth(url, read_json(artifacts / "MANIFEST.json"))
        return Result(artifacts, truth)

    @contextmanager
    def _daemon(self) -> Iterator[Child]:
        session = self.session
        argv = [*python_module("monitord"), "run", "--root", str(session.root), "-s", session.name]
        daemon = spawn(argv, session.logs / "daemon.out", os.environ)
        try:
            self._await(lambda: is_ready(self.session, time.time()), "the daemon", daemon)
            prometheus = daemon_status(self.session)["prometheus"]
            self._say(
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
            self._say(f"service     {started['url']}, under {started['rate']:g} requests per second")
            yield started["url"]
        finally:
            service.stop(5)

    @contextmanager
    def _node_exporter(self) -> Iterator[str | None]:
        binary = _find_node_exporter()
        if binary is None:
            self._say("node        no node_exporter in $PATH: cpu_util will have no data")
            yield None
            return
        log = self.session.logs / "node-exporter.log"
        exporter = spawn([binary, "--web.listen-address=127.0.0.1:0"], log, os.environ)
        try:
            self._await(lambda: listening_url(log.read_text()), "node_exporter", exporter)
            url = listening_url(log.read_text())
            self._say(f"node        {url}")
            yield url
        finally:
            exporter.stop(5)

    def _drop(self, name: str, content: str) -> None:
        (self.session.targets / name).write_text(content)
        self._say(f"target      {self.session.targets / name}")

    def _measure(self, daemon: Child) -> None:
        session = self.session
        (session.windows / f"{WINDOW}.start").touch()
        self._say(f"window      {WINDOW} is open for {self.seconds:g} s")
        end = time.monotonic() + self.seconds
        self._await(lambda: time.monotonic() >= end, "the window's end", daemon, self.seconds + 1)
        (session.windows / f"{WINDOW}.stop").touch()
        self._await(self._collected, "the collection", daemon)

    def _all_up(self) -> bool:
        drops = {path.name for path in self.session.targets.iterdir()}
        statuses = [read_json(self.session.target_status(name)) for name in drops]
        return all(
            status and all(endpoint["health"] == "up" for endpoint in status["endpoints"])
            for status in statuses
        )

    def _collected(self) -> bool:
        status: Any = read_json(self.session.window_status(WINDOW))
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
                raise NotReadyError(f"waited {seconds:g} s in vain for {what}; see {self.session.logs}")
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


def _ask_truth(url: str, manifest: Any) -> dict[str, Any]:
    window = manifest["window"]
    with urllib.request.urlopen(f"{url}/truth?from={window['from']}&to={window['to']}", timeout=5) as answer:  # noqa: S310
        truth: dict[str, Any] = json.load(answer)
    return truth
