"""`run --supervised` and trouble that passes: the parent waits for its end, however long that takes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from monitord.prometheus.config.programs import find_binary
from tests.conftest import wait_until
from tests.e2e.conftest import PATIENCE, benches
from tests.fakes.small_disk import small_disk

pytestmark = pytest.mark.real


def held_up_once(folder: Path) -> Path:
    """Write a Prometheus that at first finds no thread, in the words of the real one."""
    script = folder / "held-up-prometheus"
    script.write_text(f"""#!/bin/sh
if ! [ -e {folder}/asked ]; then
    touch {folder}/asked
    echo "runtime/cgo: pthread_create failed: Resource temporarily unavailable"
    exit 2
fi
exec {find_binary()} "$@"
""")
    script.chmod(0o755)
    return script


def test_without_a_thread_at_first_and_with_a_full_session_folder_later_it_goes_on_in_the_end(
    tmp_path: Path,
) -> None:
    said = tmp_path / "said"
    with (
        small_disk(tmp_path / "disk", 4096) as disk,
        benches(disk.folder) as bench,
        said.open("wb") as output,
    ):
        flags = ("--prometheus-binary", str(held_up_once(tmp_path)), "--data-dir", str(tmp_path / "data"))
        parent = bench.start("run", "-s", "bench", "--supervised", *flags, stdout=output, stderr=output)
        wait_until(lambda: bench.daemon.get("phase") == "ready", "the daemon to be ready", PATIENCE)
        assert "could not start a thread: the process limit (ulimit -u)" in said.read_text()
        assert said.read_text().count("cannot run at this moment (exit code 75)") == 1
        first = bench.daemon["pid"]
        disk.fill()
        os.kill(first, signal.SIGKILL)
        told = lambda: said.read_text().count("cannot run at this moment (exit code 75)") > 3  # noqa: E731
        wait_until(told, "some starts in vain", PATIENCE)
        assert "No space left on device" in said.read_text()
        disk.free()
        wait_until(lambda: bench.daemon["pid"] != first and bench.daemon["phase"] == "ready", "it", PATIENCE)
        parent.terminate()
        assert parent.wait(PATIENCE) == 0
        assert "defect" not in said.read_text()
