"""Access to a session's Prometheus: password and TLS, as the settings say.

A generated certificate is kept in the session's `prometheus/`. Prometheus reads copies in the run folder, see
`run_files`.
"""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from monitord.errors import InvalidInputError, PrometheusError
from monitord.prometheus.config.auth import (
    Credentials,
    TlsFiles,
    hash_password,
    new_credentials,
    render_web_config,
)
from monitord.prometheus.config.certificate import certificate_names, is_pair, prepare_certificate
from monitord.prometheus.config.programs import run_program
from monitord.session.folder import Session
from monitord.session.settings import PrometheusSettings, TlsSettings

WEB_CONFIG = "web.yml"
CERTIFICATE = "tls.crt"
PASSWORD = "password"  # noqa: S105  # the name of its file

_KEY = "tls.key"
_RUN_TLS = TlsFiles(Path(CERTIFICATE), Path(_KEY))  # relative to web.yml


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials and TLS files; without credentials, everybody on the machine has access.

    `pair` holds certificate and key as last read, by their names in the run folder.
    """

    credentials: Credentials | None = None
    tls: TlsFiles | None = None
    bcrypt_hash: str | None = field(default=None, repr=False)
    pair: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def renewed(self) -> Access:
        """Return the same access with a new password, if there is one; takes about 50 ms."""
        if self.credentials is None:
            return self
        credentials = new_credentials(self.credentials.password_file)
        return replace(self, credentials=credentials, bcrypt_hash=hash_password(credentials.password))

    def run_files(self) -> dict[str, bytes]:
        """Return the files for the run folder, by name; none without password and TLS."""
        if self.bcrypt_hash is None and self.tls is None:
            return {}
        return {
            WEB_CONFIG: render_web_config(self.bcrypt_hash, _RUN_TLS if self.tls else None),
            **({PASSWORD: f"{self.credentials.password}\n".encode()} if self.credentials else {}),
            **self.pair,
        }


def prepare_access(
    session: Session,
    settings: PrometheusSettings,
    now: float,
    fqdn: Callable[[], str] = socket.getfqdn,
) -> Access:
    """Prepare password and certificate as the settings say.

    Raises InvalidInputError when the user's certificate cannot be used or none can be generated, and OSError
    when a file cannot be written.
    """
    tls = _prepare_tls(session, settings, now, fqdn) if settings.tls.enabled else None
    credentials = new_credentials(session.password_file) if settings.auth else None
    return Access(credentials, tls, pair=read_pair(tls) if tls else {}).renewed()


def check_web_config(promtool: Path | None, web_config: Path) -> bool:
    """Check a web.yml and its certificate with promtool; return False without promtool.

    Raises PrometheusError with promtool's message when it refuses them, PassingError when they cannot be
    checked at the moment.
    """
    if promtool is None:
        return False
    code, output = run_program(promtool, "check", "web-config", str(web_config))
    if code != 0:
        raise PrometheusError(f"promtool refused {web_config}: {' '.join(output.split())}")
    return True


def _prepare_tls(
    session: Session, settings: PrometheusSettings, now: float, fqdn: Callable[[], str]
) -> TlsFiles:
    if settings.tls.cert_file is not None or settings.tls.key_file is not None:
        return _own_files(settings.tls)
    names = certificate_names(settings.host, (socket.gethostname(), fqdn()))
    generated = TlsFiles(session.certificate, session.certificate_key)
    prepare_certificate(generated.cert_file, generated.key_file, names, now)
    return generated


def _own_files(settings: TlsSettings) -> TlsFiles:
    if settings.cert_file is None or settings.key_file is None:
        raise InvalidInputError("prometheus.tls: cert_file and key_file belong together; set both or neither")
    own = TlsFiles(Path(settings.cert_file).absolute(), Path(settings.key_file).absolute())
    try:
        own.cert_file.read_bytes()
        own.key_file.read_bytes()
        mode = own.key_file.stat().st_mode
    except OSError as error:
        raise InvalidInputError(f"prometheus.tls: {error.filename}: {error.strerror}; correct it") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidInputError(
            f"prometheus.tls.key_file: {own.key_file} is accessible to others; chmod 600 it"
        )
    if not is_pair(own.cert_file, own.key_file):
        raise InvalidInputError(
            f"prometheus.tls: {own.cert_file} and {own.key_file} are not a PEM certificate and its "
            "matching key without a passphrase"
        )
    return own


def read_pair(tls: TlsFiles) -> dict[str, bytes]:
    """Return certificate and key by their names in the run folder.

    Empty if they cannot be read or do not match; callers then keep what was read before.
    """
    if not is_pair(tls.cert_file, tls.key_file):
        return {}
    try:
        return {CERTIFICATE: tls.cert_file.read_bytes(), _KEY: tls.key_file.read_bytes()}
    except OSError:
        return {}
