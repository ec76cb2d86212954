"""What the commands that scripts call often may load: every file opened costs on a shared file system."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COSTLY = {
    "bcrypt", "hashlib", "logging", "prometheus_client", "pydantic", "requests", "rich", "secrets", "shutil",
    "socket", "structlog", "subprocess", "watchdog", "yaml",
}  # fmt: skip


def output(script: str) -> str:
    """Run a script in a Python that loads nothing else, such as what measures coverage; return its output."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=plain, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("module", ["status", "wait", "why", "window"])
def test_a_command_loads_nothing_costly_before_it_needs_it(module: str) -> None:
    script = f"import sys, monitord.cli.{module}; print(*sys.modules)"
    assert set(output(script).split()) & COSTLY == set()


def test_status_opens_few_of_our_own_files() -> None:
    """Each package is two files more: its folder is listed."""
    script = "import sys, monitord.cli.status; print(*sys.modules)"
    ours = sorted(name for name in output(script).split() if name.startswith("monitord"))
    assert len(ours) <= 17, ours


def test_the_version_is_printed_without_loading_click() -> None:
    script = "import sys; sys.argv[1:] = ['--version']; from monitord.__main__ import main; main()"
    version, modules = output(f"{script}; print(*sys.modules)").splitlines()
    assert version.startswith("monitord ")
    assert not {"click", *COSTLY} & set(modules.split())
