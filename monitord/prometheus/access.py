"""Who may talk to a session's Prometheus and how: password and TLS, as settings ask for them.

The session's own web.yml and generated certificate are published in its `prometheus/`; Prometheus is
started with copies of them, see `run_files`.
"""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from monitord.atomic import publish, read_if_exists
from monitord.errors import InvalidInputError, PrometheusError
from monitord.prometheus.auth import Credentials, TlsFiles, hash_in, prepare_credentials, render_web_config
from monitord.prometheus.certificate import certificate_names, is_pair, prepare_certificate
from monitord.prometheus.process import ask
from monitord.session import Session
from monitord.settings import PrometheusSettings, TlsSettings

WEB_CONFIG = "web.yml"
CERTIFICATE = "tls.crt"

_KEY = "tls.key"
_RUN_TLS = TlsFiles(Path(CERTIFICATE), Path(_KEY))  # beside the web.yml that names them


@dataclass(frozen=True, slots=True)
class Access:
    """What lets one in; neither password nor TLS is how everybody on the machine is let in."""

    credentials: Credentials | None = None
    tls: TlsFiles | None = None
    bcrypt_hash: str | None = field(default=None, repr=False)

    def run_files(self) -> dict[str, bytes]:
        """Return the files of the run folder, by name; none without password and TLS.

        Certificate and key are read anew, so that renewed ones are taken over. They are left out
        while they cannot be read or do not belong together: the copies of before then still stand.
        """
        if self.bcrypt_hash is None and self.tls is None:
            return {}
        tls = _RUN_TLS if self.tls else None
        return {
            WEB_CONFIG: render_web_config(self.bcrypt_hash, tls),
            **(_read_pair(self.tls) if self.tls else {}),
        }


def prepare_access(
    session: Session,
    settings: PrometheusSettings,
    now: float,
    fqdn: Callable[[], str] = socket.getfqdn,
) -> Access:
    """Make what the settings ask for: the session's password, its certificate, and web.yml.

    Raises InvalidInputError when the user's password or certificate cannot be used, or a certificate
    cannot be made, and OSError when a file cannot be written.
    """
    tls = _prepare_tls(session, settings, now, fqdn) if settings.tls.enabled else None
    if settings.auth:
        credentials = prepare_credentials(session.password_file, session.web_config, tls)
        return Access(credentials, tls, hash_in(read_if_exists(session.web_config)))
    if tls is not None:
        publish(session.web_config, render_web_config(None, tls))
    return Access(None, tls)


def check_web_config(promtool: Path | None, web_config: Path) -> bool:
    """Have promtool check a web.yml and the certificate it names; return False without a promtool.

    Raises PrometheusError with promtool's words when it refuses, PassingError when it cannot be checked at
    this moment.
    """
    if promtool is None:
        return False
    code, output = ask(promtool, "check", "web-config", str(web_config))
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
        raise InvalidInputError("prometheus.tls: cert_file and key_file go together; set both, or neither")
    own = TlsFiles(Path(settings.cert_file).absolute(), Path(settings.key_file).absolute())
    try:
        own.cert_file.read_bytes()
        own.key_file.read_bytes()
        mode = own.key_file.stat().st_mode
    except OSError as error:
        raise InvalidInputError(f"prometheus.tls: {error.filename}: {error.strerror}; correct it") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InvalidInputError(
            f"prometheus.tls.key_file: {own.key_file} is open to others than its owner; chmod 600 it"
        )
    if not is_pair(own.cert_file, own.key_file):
        raise InvalidInputError(
            f"prometheus.tls: {own.cert_file} and {own.key_file} are no PEM certificate and the key "
            "that belongs to it, without a passphrase"
        )
    return own


def _read_pair(tls: TlsFiles) -> dict[str, bytes]:
    if not is_pair(tls.cert_file, tls.key_file):
        return {}
    try:
        return {CERTIFICATE: tls.cert_file.read_bytes(), _KEY: tls.key_file.read_bytes()}
    except OSError:
        return {}
