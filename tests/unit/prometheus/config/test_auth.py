"""The session's password and the file that lets it in."""

from __future__ import annotations

from pathlib import Path

import bcrypt
import yaml

from monitord.prometheus.config.auth import (
    TlsFiles,
    hash_password,
    new_credentials,
    new_password,
    render_web_config,
)


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


def test_every_start_has_another_password(tmp_path: Path) -> None:
    first, second = new_credentials(tmp_path / "password"), new_credentials(tmp_path / "password")
    assert first.password != second.password
    assert first.password_file == second.password_file == tmp_path / "password"
    assert not first.password_file.exists()  # whoever starts Prometheus publishes it


def test_the_hash_lets_the_password_in_and_no_other() -> None:
    word, other = new_password(), new_password()
    users = yaml.safe_load(render_web_config(hash_password(word), None))["basic_auth_users"]
    assert list(users) == ["monitord"]
    assert bcrypt.checkpw(word.encode(), users["monitord"].encode())
    assert not bcrypt.checkpw(other.encode(), users["monitord"].encode())


def test_the_password_shows_in_no_repr(tmp_path: Path) -> None:
    credentials = new_credentials(tmp_path / "password")
    assert credentials.password not in repr(credentials)
