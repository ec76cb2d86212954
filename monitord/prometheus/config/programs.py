"""Prometheus's two programs: find them, read their version, and check a configuration with them."""

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
RUN_TIMEOUT_SECONDS = 60.0
"""Loading a program of 100 MB from a slow shared file system may take half of that."""


def find_binary(setting: str = _NOT_SET, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the absolute path of the Prometheus to run.

    An explicit setting (a path, or a name in $PATH other than the default) comes first and must exist, then
    $MONITORD_PROMETHEUS likewise, then `prometheus` in $PATH or beside this Python. Raises PrometheusError.
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
        raise PrometheusError(f"{source} names {name}, which is not an executable file; correct it")
    return Path(found).absolute()


def find_promtool(build: Build, environment: Mapping[str, str] = os.environ) -> Path | None:
    """Return the promtool beside the binary (links resolved) or in $PATH; None if there is none.

    One in $PATH must have the binary's version, since other versions accept other configurations.
    """
    folders = (str(build.binary.parent), str(build.binary.resolve().parent))
    beside = shutil.which(_PROMTOOL, path=os.pathsep.join(folders))
    if beside:
        return Path(beside).absolute()
    found = shutil.which(_PROMTOOL, path=environment.get("PATH", os.defpath))
    if found is None:
        return None
    _, version = run_program(Path(found), "--version")
    return Path(found).absolute() if f"promtool, version {build.version}" in version else None


def read_build(binary: Path) -> Build:
    """Return a binary's version and flags.

    Raises PrometheusError when it cannot be run, is not Prometheus or is too old; PassingError as
    `run_program`.
    """
    _, version = run_program(binary, "--version")
    parsed = parse_version(version, binary)
    _, help_text = run_program(binary, "--help")
    return Build(binary, parsed, help_text)


def check_config(promtool: Path | None, config: Path) -> bool:
    """Check a prometheus.yml with promtool; return False if there is no promtool.

    Raises PrometheusError with promtool's message when it refuses the file, PassingError as `run_program`.
    The files of file_sd are not checked: Prometheus skips a bad one, while a failed check would stop
    everything.
    """
    if promtool is None:
        return False
    code, output = run_program(promtool, "check", "config", "--syntax-only", str(config))
    if code != 0:
        raise PrometheusError(f"promtool refused {config}: {' '.join(output.split())}")
    return True


def install_config(config: Path, content: bytes, promtool: Path | None) -> bool:
    """Publish a prometheus.yml if promtool accepts it; return whether the file changed.

    Raises PrometheusError when it is refused, PassingError when it cannot be checked at the moment; the old
    file then stays.
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


def run_program(binary: Path, *arguments: str) -> tuple[int, str]:
    """Run one of Prometheus's programs to its end; return its exit code and output.

    Raises PrometheusError when it cannot be run, and PassingError when that may pass.
    """
    try:
        code, output = run_briefly(
            [str(binary), *arguments], child_environment(os.environ), RUN_TIMEOUT_SECONDS
        )
    except ChildError as error:
        raise PrometheusError(f"{error}; set {BINARY_VARIABLE} to a Prometheus that runs here") from error
    if code != 0 and lacks_threads(output):
        raise PassingError(f"{binary} could not start a thread: {NO_THREAD_ADVICE}")
    return code, output
