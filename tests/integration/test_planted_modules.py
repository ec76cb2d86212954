"""Modules in the current folder, which others may be able to write, run in none of monitord's Pythons."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitord.client.daemon_command import MONITORD
from monitord.daemon.collector import READER

REPOSITORY = Path(__file__).parents[2]
PLANTED = ("click", "msgspec", "requests", "structlog", "yaml", "json", "monitord", "prometheus_client")
MODULE = "import os; open(os.environ['RAN'], 'a').write(__name__ + ' ')\n"
BATCH = ("bash", str(REPOSITORY / "slurm" / "monitord.sbatch"), "--help")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    planted = tmp_path / "planted"
    planted.mkdir()
    for name in PLANTED:
        (planted / f"{name}.py").write_text(MODULE)
    return planted


def ran(command: tuple[str, ...], folder: Path) -> tuple[int, str]:
    """Run a command in the folder of planted modules; return its exit code and which of them ran."""
    file = folder.parent / "ran"
    python = {"MONITORD_PYTHON": sys.executable, "RAN": str(file)}
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **python}, stdin=subprocess.DEVNULL, capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, file.read_text() if file.exists() else ""


@pytest.mark.parametrize(
    "command",
    [
        (*MONITORD, "status", "--help"),
        (*MONITORD, "run", "--root", "nowhere", "--session", "s"),
        READER,  # it ends where its orders do
        BATCH,
    ],
    ids=["command line", "daemon", "reader", "batch script"],
)  # fmt: skip
def test_no_module_of_the_current_folder_runs(command: tuple[str, ...], folder: Path) -> None:
    code, modules = ran(command, folder)
    assert modules == ""
    assert code in {0, 1}  # 1: there is no such session


def test_started_by_hand_only_the_package_itself_can_come_from_the_current_folder(folder: Path) -> None:
    (folder / "monitord.py").unlink()  # that one nobody can help who leaves -P out
    (folder / "json.py").unlink()
    assert ran((sys.executable, "-m", "monitord", "status", "--help"), folder) == (0, "")


def test_python_is_started_in_one_way_alone() -> None:
    package = REPOSITORY / "monitord"
    starting = [file for file in package.rglob("*.py") if '"-m"' in file.read_text()]
    assert starting == [package / "system" / "children.py"]


@pytest.mark.parametrize("unit", ["monitord.service", "user/monitord@.service"])
def test_a_service_takes_no_modules_from_the_current_folder(unit: str) -> None:
    assert "\nEnvironment=PYTHONSAFEPATH=1\n" in (REPOSITORY / "systemd" / unit).read_text()
