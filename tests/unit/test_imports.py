"""What the commands that scripts call often may load: every file opened costs on a shared file system."""

from __future__ import annotations

import subprocess
import sys

import pytest

COSTLY = {
    "bcrypt", "hashlib", "logging", "prometheus_client", "pydantic", "requests", "rich", "secrets", "shutil",
    "socket", "structlog", "subprocess", "watchdog", "yaml",
}  # fmt: skip


@pytest.mark.parametrize("module", ["status", "wait", "why", "window"])
def test_a_command_loads_nothing_costly_before_it_needs_it(module: str) -> None:
    script = f"import sys, monitord.cli.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & COSTLY == set()


def test_status_opens_few_of_our_own_files() -> None:
    """Each package is two files more: its folder is listed."""
    script = "import sys, monitord.cli.status; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    ours = sorted(name for name in done.stdout.split() if name.startswith("monitord"))
    assert len(ours) <= 17, ours


def test_the_version_is_printed_without_loading_click() -> None:
    script = "import sys; sys.argv[1:] = ['--version']; from monitord.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", f"{script}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    version, modules = done.stdout.splitlines()
    assert version.startswith("monitord ")
    assert not {"click", *COSTLY} & set(modules.split())
