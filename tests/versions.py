"""The real versions of Prometheus that tests run on, each in a folder that `make tools` fills."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from monitord.prometheus.api.version import Build
from monitord.prometheus.config.programs import read_build

VERSIONS = ("2.42", "2.53", "3.5")
FOLDER = Path(sys.prefix) / "prometheus"


def binary_of(version: str) -> Path | None:
    """Return the binary of one of the versions, with its promtool beside it; None without."""
    binary = FOLDER / version / "prometheus"
    return binary if binary.exists() else None


def build_of(version: str) -> Build:
    """Return one of the versions; a test that asks for one that is not there is skipped, and says why.

    It fails when none at all is there: then nothing would be shown.
    """
    if not any(map(binary_of, VERSIONS)):
        pytest.fail(f"no Prometheus in {FOLDER}; run `make tools`, which says what is missing")
    binary = binary_of(version)
    if binary is None:
        reason = FOLDER / version / "missing"
        pytest.skip(
            f"no Prometheus {version}: {reason.read_text() if reason.exists() else 'run `make tools`'}"
        )
    return read_build(binary)
