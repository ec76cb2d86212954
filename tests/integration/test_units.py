"""The systemd units, as systemd's own programs read them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monitord.errors import ExitCode
from monitord.session.settings import Settings

UNITS = Path(__file__).parents[2] / "systemd"
SYSTEM, USER = UNITS / "monitord.service", UNITS / "user" / "monitord@.service"
MOST_EXPOSED = 2.5
"""On systemd's scale to 10; what is left are the network, which is the daemon's work, and set-group-id."""


@pytest.fixture
def analyze(tmp_path: Path) -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("no systemd-analyze in $PATH: install Debian's package systemd (make tools)")
    return found


def installed(unit: Path, folder: Path) -> Path:
    """Copy a unit to where its program is one that is there: systemd looks for it."""
    program = Path(sys.executable).with_name("monitord")
    text, times = re.subn(r"(?m)^ExecStart=\S+", f"ExecStart={program}", unit.read_text())
    assert times == 1
    copy = folder / unit.name
    copy.write_text(text)
    return copy


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("unit", "flags"), [(SYSTEM, ()), (USER, ("--user",))], ids=["system", "user"])
def test_systemd_finds_nothing_wrong(
    unit: Path, flags: tuple[str, ...], analyze: str, tmp_path: Path
) -> None:
    copy = installed(unit, tmp_path)
    instance = str(copy).replace("@.", "@bench01.")
    assert not run(analyze, *flags, "verify", instance, folder=tmp_path)
    # That it looks at all: a key it does not know is told.
    copy.write_text(copy.read_text().replace("KillMode=mixed", "KillMood=mixed"))
    assert "KillMood" in run(analyze, *flags, "verify", instance, folder=tmp_path)


def test_the_service_is_shut_off_from_what_it_does_not_need(analyze: str, tmp_path: Path) -> None:
    copy = installed(SYSTEM, tmp_path)
    told = run(analyze, "security", "--offline=yes", str(copy), folder=tmp_path)
    found = re.search(r"Overall exposure level for monitord\.service: ([0-9.]+)", told)
    assert found, told
    assert float(found[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("unit", [SYSTEM, USER], ids=["system", "user"])
def test_it_has_the_time_to_end_and_is_not_started_again_in_vain(unit: Path) -> None:
    values = dict(re.findall(r"(?m)^(\w+)=(.*)$", unit.read_text()))
    settings = Settings()
    longest = settings.shutdown_timeout + 10.0 + settings.prometheus.stop_timeout
    assert float(values["TimeoutStopSec"].removesuffix("s")) > longest
    final = (ExitCode.INVALID, ExitCode.USAGE, ExitCode.NOT_READY)
    assert values["RestartPreventExitStatus"].split() == [str(int(code)) for code in final]
