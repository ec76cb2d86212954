"""Why a run ended, from the very words of real binaries."""

from __future__ import annotations

import pytest

from monitord.prometheus.child.diagnosis import Cause, diagnose

FULL = (
    "opening storage failed: 2 errors: repair corrupted WAL: insert record: write tiny/data/wal/00000000: "
    "no space left on device; close DB after failed startup: write tiny/data/wal/00000000: "
    "no space left on device"
)
LOCKED = "opening storage failed: lock DB directory: resource temporarily unavailable"


@pytest.mark.parametrize(
    ("code", "error", "cause"),
    [
        (1, "opening storage failed: block dir: invalid magic number 0", Cause.STORAGE),
        (1, "opening storage failed: get segment range: segments are not sequential", Cause.STORAGE),
        (1, FULL, Cause.UNWRITABLE),
        (1, "opening storage failed: mkdir /data/wal: read-only file system", Cause.UNWRITABLE),
        (1, "opening storage failed: open wal: permission denied", Cause.UNWRITABLE),
        (1, "opening storage failed: write wal: disk quota exceeded", Cause.UNWRITABLE),
        (2, "panic: Unable to create mmap-ed active query log: read-only file system", Cause.UNWRITABLE),
        (2, "open /data/queries.active: operation not permitted", Cause.UNWRITABLE),
        (2, "[signal SIGBUS: bus error code=0x2 addr=0x7f pc=0x4]", Cause.UNWRITABLE),
        (2, "panic: preallocate: no space left on device", Cause.UNWRITABLE),
        (1, "Fatal error: opening storage failed: read TOC: invalid checksum", Cause.STORAGE),
        (
            2,
            "Error loading config (--config.file=p.yml): open p.yml: no such file or directory",
            Cause.CRASHED,
        ),
        (1, LOCKED, Cause.LOCKED),
        (1, "opening storage failed: lock DB directory: function not implemented", Cause.LOCKED),
        (1, "Unable to start web listener: listen tcp 127.0.0.1:1: bind: address already in use", Cause.PORT),
        (2, "runtime/cgo: pthread_create failed: Resource temporarily unavailable", Cause.LIMITED),
        (2, "runtime: failed to create new OS thread (have 5 already; errno=11)", Cause.LIMITED),
        (1, "opening storage failed: open wal: input/output error", Cause.CRASHED),
        (1, "opening storage failed: open wal: too many open files", Cause.CRASHED),
        (1, "Error loading config (--config.file=prometheus.yml)", Cause.CRASHED),
        (127, "monitord: cannot run /p: Exec format error", Cause.NOT_RUN),
        (-9, "", Cause.KILLED),
        (-9, "opening storage failed: x", Cause.KILLED),
        (-11, "", Cause.CRASHED),
    ],
)
def test_the_cause(code: int, error: str, cause: Cause) -> None:
    assert diagnose(code, (error,)).cause is cause


def test_only_what_the_data_are_guilty_of_costs_them_their_place() -> None:
    """Data are set aside for nothing that another day, another port or some room would mend."""
    innocent = ("no space left on device", "Stale file handle", "cannot allocate memory", "permission denied")
    for words in innocent:
        assert diagnose(1, (f"opening storage failed: {words}",)).cause is not Cause.STORAGE


def test_the_advice_is_what_to_do() -> None:
    assert "0 for a free one" in diagnose(1, ("bind: address already in use",)).advice
    assert "another Prometheus has this data folder open" in diagnose(1, (LOCKED,)).advice
    assert "MONITORD_PROMETHEUS" in diagnose(127, ()).advice
