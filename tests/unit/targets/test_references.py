"""Which files may hold a secret or a certificate, and which may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from monitord.targets.credentials import Kind, Reference
from monitord.targets.references import problem_of

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n"
KEY = "-----BEGIN EC PRIVATE KEY-----\n"


def made(path: Path, content: str = "hunter2", mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def problem(path: Path, kind: Kind = Kind.SECRET) -> str:
    found = problem_of(Reference(str(path), kind))
    assert "hunter2" not in found
    return found


def test_a_private_file_can_hold_a_secret(tmp_path: Path) -> None:
    assert problem(made(tmp_path / "secret")) == ""
    assert problem(made(tmp_path / "secret", mode=0o400)) == ""
    assert problem(made(tmp_path / "key", KEY), Kind.KEY) == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o601])
@pytest.mark.parametrize("kind", [Kind.SECRET, Kind.KEY])
def test_a_secret_that_is_open_to_others_is_refused(tmp_path: Path, mode: int, kind: Kind) -> None:
    path = made(tmp_path / "secret", KEY, mode)
    assert problem(path, kind) == f"{path} is accessible to other users; run: chmod 600 {path}"


def test_a_secret_is_a_plain_file_that_is_there(tmp_path: Path) -> None:
    made(tmp_path / "secret")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "fifo", 0o600)
    for name in ("link", "fifo", "."):
        assert "is not a regular file; give the path of the file itself" in problem(tmp_path / name)
    assert "cannot be read by the daemon: No such file or directory" in problem(tmp_path / "none")
    assert "cannot be read by the daemon: Not a directory" in problem(tmp_path / "secret" / "x")


def test_a_secret_belongs_to_the_daemons_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "secret")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert problem(path) == f"{path} is not owned by the daemon's user; use a file owned by uid 12345"
    assert problem(made(tmp_path / "ca", CERTIFICATE, 0o644), Kind.CERTIFICATE) == ""


def test_a_certificate_need_only_be_readable(tmp_path: Path) -> None:
    made(tmp_path / "ca", CERTIFICATE, 0o644)
    (tmp_path / "link").symlink_to("ca")
    assert problem(tmp_path / "ca", Kind.CERTIFICATE) == ""
    assert problem(tmp_path / "link", Kind.CERTIFICATE) == ""
    os.mkfifo(tmp_path / "fifo")
    assert "is not a regular file" in problem(tmp_path / "fifo", Kind.CERTIFICATE)


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        (Kind.CERTIFICATE, KEY, "contains no certificate in PEM format"),
        (Kind.CERTIFICATE, "", "contains no certificate in PEM format"),
        (Kind.KEY, CERTIFICATE, "contains no private key in PEM format"),
        (Kind.KEY, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", "is encrypted"),
        (Kind.KEY, KEY + "Proc-Type: 4,ENCRYPTED\n", "is encrypted"),
    ],
)
def test_what_prometheus_could_not_use_is_refused(
    tmp_path: Path, kind: Kind, content: str, told: str
) -> None:
    assert told in problem(made(tmp_path / "file", content), kind)
