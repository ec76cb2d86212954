"""Prometheus as a child process: one run of it, from its start to its exit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence

from monitord.errors import PassingError
from monitord.prometheus.child.output import Output
from monitord.system.children import PipedChild, child_environment, spawn_piped

_KILL_SECONDS = 5.0


class PrometheusProcess:
    """One run of Prometheus, from its start to its exit."""

    def __init__(self, child: PipedChild, keep: Callable[[str], None]) -> None:
        self._child = child
        self._output = Output(child.output, keep)

    @classmethod
    def start(
        cls, argv: Sequence[str], keep: Callable[[str], None], environment: Mapping[str, str] = os.environ
    ) -> PrometheusProcess:
        """Start Prometheus with this command line; `keep` gets each line for the log, on a thread.

        Raises as `spawn_piped` does, and PassingError where no thread can be started to read its output.
        """
        child = spawn_piped(argv, child_environment(environment))
        try:
            return cls(child, keep)
        except PassingError:
            child.kill()
            child.wait(_KILL_SECONDS)
            child.output.close()
            raise

    @property
    def pid(self) -> int:
        return self._child.pid

    def poll(self) -> int | None:
        """Return the exit code, -N for signal N, or None while it runs."""
        return self._child.poll()

    def wait(self, seconds: float) -> int | None:
        """Return the exit code once it has ended, or None when it still runs after `seconds`."""
        return self._child.wait(seconds)

    def terminate(self) -> None:
        """Ask it to end cleanly, even if it is stopped (SIGSTOP)."""
        self._child.terminate()

    def kill(self) -> None:
        """End it by force."""
        self._child.kill()

    def reload(self) -> None:
        """Have it load its configuration again; its metrics show the result."""
        self._child.signal(signal.SIGHUP)

    def stop(self, seconds: float) -> int:
        """End it cleanly, by force once `seconds` have passed; return the exit code."""
        return self._child.stop(seconds)

    def listening_url(self) -> str | None:
        """Return its URL, with the actual port; None while it does not listen."""
        return self._output.listening_url()

    def errors(self, most: int = 3) -> tuple[str, ...]:
        """Return the last errors that this run logged, oldest first."""
        if self.poll() is not None:
            self._output.end()
        return self._output.errors()[-most:]

    def log_bytes(self) -> int:
        """Return how much this run has logged so far."""
        return self._output.bytes
