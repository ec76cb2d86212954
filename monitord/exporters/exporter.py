"""One exporter's process on this node: started, probed, and restarted when it ends."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from pathlib import Path

from monitord.errors import excerpt
from monitord.exporters.kinds import Kind, arguments
from monitord.exporters.lifecycle import START_SECONDS, Action, Life, Phase, step
from monitord.exporters.registration import Node
from monitord.exporters.report import Report, State
from monitord.system.children import Child, spawn

STOP_SECONDS = 5.0
ANSWER_SECONDS = 2.0


class Exporter:
    """One kind's exporter. It dies with this process, and is used from the main thread."""

    def __init__(
        self, kind: Kind, program: tuple[str, ...], node: Node, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._kind = kind
        self._program = program
        self._node = node
        self._config = folder / f"{kind.name}.yaml"
        self._log = folder / f"{kind.name}.log"
        self._environment = environment
        self._life = Life()
        self._child: Child | None = None
        self._port = 0
        self._failure = ""
        self.report: Report | None = None
        """Its last state; None before it answered or failed for the first time."""
        self.address: str | None = None
        """Its last address, kept while it is down: the failed scrapes show that it is."""

    def look(self, now: float) -> float | None:
        """Check the process, and start or stop it.

        Returns in how many seconds to look again; None: once the process ends.
        """
        before = self._life
        self._life, action = step(before, now, runs=self._runs(), answers=self._answers())
        if action is Action.START:
            self._start()
        if self._life.phase is Phase.UP and before.phase is not Phase.UP:
            self.address = self._node.address(self._port)
            self.report = Report(self._kind.name, State.UP, self.address)
        if self._life.failures and self._life.phase is Phase.WAITING and before.phase is not Phase.WAITING:
            again = f"; restart in {self._life.pause:g} s"
            self.report = Report(self._kind.name, State.FAILED, self._why() + again)
            self.stop()
        return self._life.next_look(now)

    def terminate(self) -> None:
        """Ask it to end, without waiting for that."""
        if self._child is not None:
            self._child.terminate()

    def stop(self) -> None:
        """End it, with SIGKILL when it does not end in time."""
        if self._child is not None:
            self._child.stop(STOP_SECONDS)
            self._child = None

    def _start(self) -> None:
        self._failure = ""
        try:
            self._port = free_port(self._node.host, self._port)
            self._log.unlink(missing_ok=True)
            self._config.write_text(self._kind.config, encoding="utf-8")
            own = arguments(self._kind, self._node.host, self._port, str(self._config))
            self._child = spawn([*self._program, *own], self._log, self._environment)
        except OSError as error:
            self._failure = f"cannot be started on {self._node.scraped_at}: {error.strerror or error}"

    def _runs(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def _answers(self) -> bool:
        if self._life.phase is not Phase.STARTING or not self._runs():
            return False
        # When it listens on every address, loopback is the one without a firewall. It must still run
        # afterwards: otherwise another process has taken the port and answered.
        return answers(self._node.host or "127.0.0.1", self._port) and self._runs()

    def _why(self) -> str:
        if self._child is None:
            return self._failure
        code = self._child.poll()
        if code is None:
            return f"no answer on port {self._port} after {START_SECONDS:g} s"
        how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n") if code >= 0 else []
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return f"{how}: {excerpt(last, 300)}" if last else how


def free_port(host: str, preferred: int) -> int:
    """Return the preferred port where nobody listens on it, else a free one. Raises OSError.

    The same port again keeps an exporter's series going.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in dict.fromkeys((preferred, 0)):
        try:
            with socket.create_server((host, port), family=family) as server:
                return int(server.getsockname()[1])
        except OSError:
            if port == 0:
                raise
    raise AssertionError("a port is returned or an error raised")


def answers(host: str, port: int) -> bool:
    """Return whether a port serves metrics."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
