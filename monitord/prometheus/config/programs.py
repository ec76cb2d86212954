"""Prometheus's two programs: found, asked what they are, and asked about a configuration."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from monitord.errors import PassingError, PrometheusError
from monitord.prometheus.api.version import Build, parse_version
from monitord.prometheus.config.go_runtime import NO_THREAD_ADVICE, lacks_threads
from monitord.system.atomic import publish, read_if_exists, temporary_beside, write_synced
from monitord.system.children import ChildError, child_environment, run_briefly

BINARY_VARIABLE = "MONITORD_PROMETHEUS"

_NOT_SET = "prometheus"
_PROMTOOL = "promtool"
QUESTION_TIMEOUT_SECONDS = 60.0
"""A program of 100 MB takes half of that to be read from a shared file system at its worst."""


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
