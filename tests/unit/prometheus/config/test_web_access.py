"""Password and TLS as the settings ask for them, and what the run folder gets of it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import bcrypt
import pytest
import yaml
from cryptography.hazmat.primitives import serialization

from monitord.errors import InvalidInputError
from monitord.prometheus.config.auth import TlsFiles
from monitord.prometheus.config.certificate import is_pair, prepare_certificate
from monitord.prometheus.config.web_access import Access, prepare_access, read_pair
from monitord.session.folder import Session
from monitord.session.settings import PrometheusSettings, TlsSettings


@pytest.fixture
def own(tmp_path: Path) -> TlsFiles:
    return own_files(tmp_path / "own")


def own_files(folder: Path) -> TlsFiles:
    folder.mkdir()
    files = TlsFiles(folder / "server.pem", folder / "server.key")
    prepare_certificate(files.cert_file, files.key_file, ("gateway.cluster",), time.time())
    return files


def access(session: Session, *, auth: bool = True, tls: TlsSettings | None = None) -> Access:
    settings = PrometheusSettings(auth=auth, tls=tls or TlsSettings())
    return prepare_access(session, settings, time.time(), fqdn=lambda: "mel0042.cluster")


def using(files: TlsFiles) -> TlsSettings:
    return TlsSettings(enabled=True, cert_file=str(files.cert_file), key_file=str(files.key_file))


def test_neither_password_nor_tls_needs_no_files(session: Session) -> None:
    found = access(session, auth=False)
    assert (found.credentials, found.tls, found.run_files()) == (None, None, {})
    assert list(session.prometheus.iterdir()) == [session.file_sd]


def test_the_password_alone(session: Session) -> None:
    found = access(session)
    assert found.credentials is not None
    files = found.run_files()
    assert files.keys() == {"web.yml", "password"}
    assert files["password"].decode().strip() == found.credentials.password
    [hashed] = yaml.safe_load(files["web.yml"])["basic_auth_users"].values()
    assert bcrypt.checkpw(found.credentials.password.encode(), hashed.encode())


def test_another_start_has_another_password_and_the_same_certificate(session: Session) -> None:
    found = access(session, tls=TlsSettings(enabled=True))
    renewed = found.renewed()
    before, after = found.run_files(), renewed.run_files()
    assert {name for name in before if before[name] != after[name]} == {"web.yml", "password"}
    assert access(session, auth=False).renewed().run_files() == {}


def test_a_generated_certificate_is_published_and_copied(session: Session) -> None:
    found = access(session, tls=TlsSettings(enabled=True))
    assert found.tls == TlsFiles(session.certificate, session.certificate_key)
    files = found.run_files()
    assert files["tls.crt"] == session.certificate.read_bytes()
    assert files["tls.key"] == session.certificate_key.read_bytes()
    assert yaml.safe_load(files["web.yml"])["tls_server_config"] == {
        "cert_file": "tls.crt",
        "key_file": "tls.key",
        "min_version": "TLS12",
    }
    assert access(session, tls=TlsSettings(enabled=True)).pair == found.pair


def test_tls_without_a_password(session: Session, own: TlsFiles) -> None:
    found = access(session, auth=False, tls=using(own))
    assert found.credentials is None
    assert list(yaml.safe_load(found.run_files()["web.yml"])) == ["tls_server_config"]
    assert not session.certificate.exists()


def test_own_files_are_used_where_they_lie_and_renewed_ones_read_whole(
    session: Session, own: TlsFiles, tmp_path: Path
) -> None:
    found = access(session, tls=using(own))
    assert found.tls == own
    assert found.pair == read_pair(own)
    renewed = own_files(tmp_path / "renewed")
    own.cert_file.write_bytes(renewed.cert_file.read_bytes())
    assert read_pair(own) == {}  # the key still is the old one
    own.key_file.write_bytes(renewed.key_file.read_bytes())
    assert read_pair(own)["tls.crt"] == renewed.cert_file.read_bytes()
    own.key_file.unlink()
    assert read_pair(own) == {}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_that_others_can_read_is_refused(session: Session, own: TlsFiles, mode: int) -> None:
    own.key_file.chmod(mode)
    with pytest.raises(InvalidInputError, match=r"key_file: .* is accessible to others; chmod 600 it"):
        access(session, tls=using(own))


def test_one_file_without_the_other_is_refused(session: Session, own: TlsFiles) -> None:
    with pytest.raises(InvalidInputError, match="belong together"):
        access(session, tls=TlsSettings(enabled=True, cert_file=str(own.cert_file)))
    with pytest.raises(InvalidInputError, match="belong together"):
        access(session, tls=TlsSettings(enabled=True, key_file=str(own.key_file)))


def test_a_file_that_is_not_there_is_named(session: Session, own: TlsFiles) -> None:
    own.key_file.unlink()
    with pytest.raises(InvalidInputError, match=r"server\.key: No such file"):
        access(session, tls=using(own))


def test_files_that_do_not_belong_together_are_refused(
    session: Session, own: TlsFiles, tmp_path: Path
) -> None:
    other = own_files(tmp_path / "other")
    with pytest.raises(InvalidInputError, match="not a PEM certificate and its matching key"):
        access(session, tls=using(TlsFiles(own.cert_file, other.key_file)))


def test_a_key_with_a_passphrase_is_refused_and_nobody_asked_for_it(session: Session, own: TlsFiles) -> None:
    key = serialization.load_pem_private_key(own.key_file.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    own.key_file.write_bytes(key.private_bytes(pem, pkcs8, locked))
    assert not is_pair(own.cert_file, own.key_file)
    with pytest.raises(InvalidInputError, match="without a passphrase"):
        access(session, tls=using(own))


def test_neither_hash_nor_password_shows_in_a_repr(session: Session) -> None:
    found = access(session)
    assert found.credentials is not None
    assert found.bcrypt_hash is not None
    assert found.bcrypt_hash not in repr(found)
    assert found.credentials.password not in repr(found)


def test_the_package_is_loaded_only_where_a_certificate_is_made() -> None:
    script = "import sys, monitord.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "cryptography" not in done.stdout.split()
