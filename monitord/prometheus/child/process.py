"""The Prometheus binary: found, asked what it is, its configuration checked, and run as a child."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from monitord.errors import PassingError, PrometheusError
from monitord.prometheus.child.command import Build, parse_version
from monitord.prometheus.child.diagnosis import NO_THREAD_ADVICE, lacks_threads
from monitord.prometheus.child.output import Output
from monitord.system.atomic import publish, read_if_exists, temporary_beside, write_synced
from monitord.system.children import ChildError, PipedChild, child_environment, run_briefly, spawn_piped

BINARY_VARIABLE = "MONITORD_PROMETHEUS"

_NOT_SET = "prometheus"
_PROMTOOL = "promtool"
QUESTION_TIMEOUT_SECONDS = 60.0
"""A program of 100 MB takes half of that to be read from a shared file system at its worst."""
_KILL_SECONDS = 5.0


def find_binary(setting: str = _NOT_SET, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the absolute path of the Prometheus to run.

    An explicit setting (a path, or a name in $PATH other than the default) is used or refused; then
    $MONITORD_PROMETHEUS likewise; then `prometheus` in $PATH or beside this Python. Raises
    PrometheusError.
    """
    search = environment.get("PATH", os.defpath)
    explicit = setting if setting != _NOT_SET else ""
    variable = environment.get(BINARY_VARIABLE, "")
    for source, name in (("prometheus.binary", explicit), (BINARY_VARIABLE, variable)):
        if name:
            return _explicit_binary(source, name, search)
    beside = Path(sys.executable).parent
    found = shutil.which(_NOT_SET, path=search) or shutil.which(_NOT_SET, path=str(beside))
    if found is None:
        raise PrometheusError(
            f"no prometheus in $PATH or in {beside}; install Prometheus 2.42 to 3.x, "
            f"or set {BINARY_VARIABLE} to the path of its binary"
        )
    return Path(found).absolute()


def _explicit_binary(source: str, name: str, search: str) -> Path:
    place = str(Path(name).expanduser().absolute()) if "/" in name else name
    found = shutil.which(place, path=search)
    if found is None:
        raise PrometheusError(f"{source} names {name}, which is no executable file; correct it")
    return Path(found).absolute()


def find_promtool(build: Build, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the promtool beside the binary, links resolved, or in $PATH; None if there is none.

    One in $PATH must be of the binary's own version: another one refuses what this one takes.
    """
    folders = (str(build.binary.parent), str(build.binary.resolve().parent))
    beside = shutil.which(_PROMTOOL, path=os.pathsep.join(folders))
    if beside:
        return Path(beside).absolute()
    found = shutil.which(_PROMTOOL, path=environment.get("PATH", os.defpath))
    if found is None:
        return None
    _, version = ask(Path(found), "--version")
    return Path(found).absolute() if f"promtool, version {build.version}" in version else None


def read_build(binary: Path) -> Build:
    """Ask a binary for its version and flags.

    Raises PrometheusError when it cannot be run, is not Prometheus or is too old; PassingError as `ask`.
    """
    _, version = ask(binary, "--version")
    parsed = parse_version(version, binary)
    _, help_text = ask(binary, "--help")
    return Build(binary, parsed, help_text)


def check_config(promtool: Path | None, config: Path) -> bool:
    """Have promtool check a prometheus.yml; return False when there is no promtool to ask.

    Raises PrometheusError with promtool's words when it refuses, PassingError as `ask` does. The files of
    file_sd are not looked at: Prometheus skips a bad one alone, and a check that failed for it would stop
    all.
    """
    if promtool is None:
        return False
    code, output = ask(promtool, "check", "config", "--syntax-only", str(config))
    if code != 0:
        raise PrometheusError(f"promtool refused {config}: {' '.join(output.split())}")
    return True


def install_config(config: Path, content: bytes, promtool: Path | None) -> bool:
    """Publish a prometheus.yml after promtool accepted it; return whether it changed.

    Raises PrometheusError when it is refused, PassingError when it cannot be checked at this moment; the old
    file then still stands.
    """
    if read_if_exists(config) == content:
        return False
    candidate = temporary_beside(config)
    try:
        write_synced(candidate, content)
        check_config(promtool, candidate)
    except PrometheusError as error:
        raise PrometheusError(str(error).replace(str(candidate), str(config))) from error
    finally:
        candidate.unlink(missing_ok=True)
    return publish(config, content)


class PrometheusProcess:
    """One run of Prometheus, from its start to its exit."""

    def __init__(self, child: PipedChild, keep: Callable[[str], None]) -> None:
        self._child = child
        self._output = Output(child.output, keep)

    @classmethod
    def start(
        cls, argv: Sequence[str], keep: Callable[[str], None], environment: Mapping[str, str] = os.environ
    ) -> PrometheusProcess:
        """Start Prometheus with this command line; `keep` gets each line for its log, on a thread.

        Raises as `spawn_piped` does, and PassingError where no thread can be started to read what it prints.
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
        """Ask it to end cleanly, also when it is stopped."""
        self._child.terminate()

    def kill(self) -> None:
        """End it by force."""
        self._child.kill()

    def reload(self) -> None:
        """Have it load its configuration again; whether that worked shows in its metrics."""
        self._child.signal(signal.SIGHUP)

    def stop(self, seconds: float) -> int:
        """End it cleanly, by force once `seconds` have passed; return the exit code."""
        return self._child.stop(seconds)

    def listening_url(self) -> str | None:
        """Return the URL it serves, None while it does not listen (also right for port 0)."""
        return self._output.listening_url()

    def errors(self, most: int = 3) -> tuple[str, ...]:
        """Return the last errors that this run logged, oldest first; the reason of an exit."""
        if self.poll() is not None:
            self._output.end()
        return self._output.errors()[-most:]

    def log_bytes(self) -> int:
        """Return how much this run has logged so far."""
        return self._output.bytes


def ask(binary: Path, *arguments: str) -> tuple[int, str]:
    """Run one of Prometheus's programs to its end; return its exit code and what it printed.

    Raises PrometheusError when it cannot be run, and PassingError when it cannot at this moment.
    """
    try:
        code, output = run_briefly(
            [str(binary), *arguments], child_environment(os.environ), QUESTION_TIMEOUT_SECONDS
        )
    except ChildError as error:
        raise PrometheusError(f"{error}; set {BINARY_VARIABLE} to a Prometheus that runs here") from error
    if code != 0 and lacks_threads(output):
        raise PassingError(f"{binary} could start no thread: {NO_THREAD_ADVICE}")
    return code, output
