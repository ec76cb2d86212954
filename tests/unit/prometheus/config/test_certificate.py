"""The certificate that a session generates for itself."""

from __future__ import annotations

import ipaddress
import stat
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from monitord.errors import InvalidInputError
from monitord.prometheus.config.certificate import certificate_names, is_pair, prepare_certificate

NOW = 1_800_000_000.0
DAY = 86400.0
NAMES = ("127.0.0.1", "mel0042", "mel0042.cluster", "localhost", "::1")


def prepare(folder: Path, names: tuple[str, ...] = NAMES, now: float = NOW) -> bool:
    return prepare_certificate(folder / "tls.crt", folder / "tls.key", names, now)


def certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())


@pytest.mark.parametrize("listen", ["0.0.0.0", "[::]", "::", "127.0.0.1", ""])
def test_names_are_each_there_once_and_never_a_wildcard(listen: str) -> None:
    names = certificate_names(listen, ("mel0042", "mel0042.cluster"))
    assert sorted(names) == sorted(NAMES)


def test_the_address_that_is_listened_on_comes_first() -> None:
    assert certificate_names("[fe80::1]", ("a", "a"))[:3] == ("fe80::1", "a", "localhost")


def test_it_names_all_that_a_client_may_ask_for_and_nothing_more(tmp_path: Path) -> None:
    assert prepare(tmp_path)
    found = certificate(tmp_path)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mel0042", "mel0042.cluster", "localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    ]
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    lifetime = found.not_valid_after_utc.timestamp() - NOW
    assert 364 * DAY < lifetime < 366 * DAY
    assert found.not_valid_before_utc.timestamp() < NOW


def test_both_files_are_their_owners_alone(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert is_pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    for name in ("tls.crt", "tls.key"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_it_is_kept_as_long_as_it_is_good(tmp_path: Path) -> None:
    prepare(tmp_path)
    before = (tmp_path / "tls.crt").read_bytes()
    assert not prepare(tmp_path, now=NOW + 357 * DAY)
    assert not prepare(tmp_path, NAMES[:2])
    assert (tmp_path / "tls.crt").read_bytes() == before


def test_it_is_made_anew_within_a_week_of_its_end_or_on_another_host(tmp_path: Path) -> None:
    prepare(tmp_path)
    assert prepare(tmp_path, now=NOW + 359 * DAY)
    assert prepare(tmp_path, (*NAMES, "mel0043"), NOW + 359 * DAY)
    assert not prepare(tmp_path, (*NAMES, "mel0043"), NOW + 359 * DAY)


@pytest.mark.parametrize("name", ["tls.crt", "tls.key"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\0", b"-----BEGIN CERTIFICATE-----\n"])
def test_what_is_missing_or_damaged_is_replaced(tmp_path: Path, name: str, content: bytes | None) -> None:
    prepare(tmp_path)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert prepare(tmp_path)
    assert is_pair(tmp_path / "tls.crt", tmp_path / "tls.key")


def test_anothers_key_is_no_pair_and_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    prepare(tmp_path)
    prepare(tmp_path / "other")
    (tmp_path / "tls.key").write_bytes((tmp_path / "other" / "tls.key").read_bytes())
    assert not is_pair(tmp_path / "tls.crt", tmp_path / "tls.key")
    assert prepare(tmp_path)


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(InvalidInputError, match=r"pip install 'monitord\[tls\]'"):
        prepare(tmp_path)
    assert list(tmp_path.iterdir()) == []
