"""The session's password and the file that lets it in."""

from __future__ import annotations

import stat
from pathlib import Path

import bcrypt
import pytest
import yaml

from monitord.errors import InvalidInputError
from monitord.prometheus.auth import (
    Credentials,
    TlsFiles,
    hash_in,
    hash_password,
    new_password,
    prepare_credentials,
    render_web_config,
)


def prepare(folder: Path) -> Credentials:
    return prepare_credentials(folder / "password", folder / "web.yml")


def lets_in(folder: Path, password: str) -> bool:
    users = yaml.safe_load((folder / "web.yml").read_bytes())["basic_auth_users"]
    assert list(users) == ["monitord"]
    return bcrypt.checkpw(password.encode(), users["monitord"].encode())


def test_the_web_config_is_this_file() -> None:
    tls = TlsFiles(Path("/s/tls.crt"), Path("/s/tls.key"))
    users = b"basic_auth_users:\n  monitord: $2b$10$x\n"
    served = b"tls_server_config:\n  cert_file: /s/tls.crt\n  key_file: /s/tls.key\n  min_version: TLS12\n"
    assert render_web_config("$2b$10$x", None) == users
    assert render_web_config("$2b$10$x", tls) == served + users
    assert render_web_config(None, tls) == served


def test_passwords_are_long_and_never_the_same() -> None:
    assert len({new_password() for _ in range(100)}) == 100
    assert len(new_password()) >= 40


def test_a_hash_is_salted_and_has_cost_10() -> None:
    first, second = hash_password("x"), hash_password("x")
    assert first != second
    assert first.startswith("$2b$10$")


def test_a_new_session_gets_both_files_for_its_owner_alone(tmp_path: Path) -> None:
    credentials = prepare(tmp_path)

    assert lets_in(tmp_path, credentials.password)
    assert (tmp_path / "password").read_text().strip() == credentials.password
    assert credentials.password not in (tmp_path / "web.yml").read_text()
    for name in ("password", "web.yml"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_the_password_and_its_file_survive_a_restart(tmp_path: Path) -> None:
    first = prepare(tmp_path)
    web_config = (tmp_path / "web.yml").read_bytes()

    assert prepare(tmp_path) == first
    assert (tmp_path / "web.yml").read_bytes() == web_config


def test_a_password_that_was_changed_by_hand_is_taken_over(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "password").write_text("of my own\n")

    assert prepare(tmp_path).password == "of my own"
    assert lets_in(tmp_path, "of my own")


@pytest.mark.parametrize("content", ["", "[", "basic_auth_users: {}", "basic_auth_users:\n  monitord: x\n"])
def test_a_damaged_web_config_is_replaced(tmp_path: Path, content: str) -> None:
    password = prepare(tmp_path).password
    (tmp_path / "web.yml").write_text(content)

    assert prepare(tmp_path).password == password
    assert lets_in(tmp_path, password)


def test_what_only_looks_like_a_hash_is_replaced(tmp_path: Path) -> None:
    password = prepare(tmp_path).password
    (tmp_path / "web.yml").write_text(f"basic_auth_users:\n  monitord: $2b$99${'x' * 53}\n")

    assert prepare(tmp_path).password == password
    assert lets_in(tmp_path, password)


def test_tls_comes_and_goes_while_the_hash_stays(tmp_path: Path) -> None:
    prepare(tmp_path)
    web_config = (tmp_path / "web.yml").read_bytes()
    tls = TlsFiles(Path("tls.crt"), Path("tls.key"))

    prepare_credentials(tmp_path / "password", tmp_path / "web.yml", tls)

    with_tls = (tmp_path / "web.yml").read_bytes()
    assert with_tls == render_web_config(hash_in(web_config), tls)
    prepare(tmp_path)
    assert (tmp_path / "web.yml").read_bytes() == web_config


def test_a_second_user_is_not_kept(tmp_path: Path) -> None:
    prepare(tmp_path)
    with (tmp_path / "web.yml").open("a") as file:
        file.write(f"  intruder: {hash_password('x')}\n")

    assert lets_in(tmp_path, prepare(tmp_path).password)


def test_files_open_to_others_are_closed(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "password").chmod(0o644)
    prepare(tmp_path)
    assert stat.S_IMODE((tmp_path / "password").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"x" * 73, b"\xff\xfe", b"a\0b", "pässword".encode()])
def test_what_cannot_be_a_password_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "password").write_bytes(content)
    with pytest.raises(InvalidInputError, match="remove it"):
        prepare(tmp_path)


def test_the_password_shows_in_no_repr(tmp_path: Path) -> None:
    credentials = prepare(tmp_path)
    assert credentials.password not in repr(credentials)
