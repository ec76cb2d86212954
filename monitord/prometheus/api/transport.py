"""HTTP requests to one Prometheus: whom to trust, deadlines, retries, and failures as typed errors."""

from __future__ import annotations

import ipaddress
import itertools
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from requests.exceptions import ChunkedEncodingError

from monitord.errors import AccessRefusedError, InvalidInputError, PrometheusError, PrometheusUnavailableError
from monitord.prometheus.api.connection_info import ConnectionInfo
from monitord.prometheus.api.peer_uid import PeerUidAdapter
from monitord.prometheus.api.pinned_tls import PinnedCertificateAdapter
from monitord.system.backoff import Backoff

T = TypeVar("T")
Parameters = Mapping[str, str | list[str]]

THIS_USER = -1

_ADMIN_DISABLED = "admin APIs disabled"
_BACKOFF = Backoff(first=0.05, longest=1.0)


class AdminApiDisabledError(PrometheusError):
    """Prometheus was started without the API that takes snapshots."""


class _RetryableError(PrometheusUnavailableError):
    """The request was not evaluated, so repeating it costs nothing."""


class Transport:
    """One connection to one server; see `PrometheusClient` for the arguments."""

    def __init__(
        self,
        url: str,
        auth: tuple[str, str] | None,
        timeout: float,
        *,
        password_file: Path | None,
        certificate: Path | None,
        owner: int | None,
        has_ended: Callable[[], bool],
    ) -> None:
        self.url = _checked(url)
        self.timeout = timeout
        self._password_file = password_file
        self._certificate = certificate
        self.session = requests.Session()
        # A cluster's proxy must not see loopback requests, nor may ~/.netrc replace the password.
        self.session.trust_env = False
        self.session.auth = auth
        self._owner = (os.geteuid() if auth else None) if owner == THIS_USER else owner
        self._has_ended = has_ended
        if certificate is not None:
            self.session.mount("https://", PinnedCertificateAdapter(certificate))
        if self._owner is not None:
            self.session.mount("http://", PeerUidAdapter(self._owner))
        if _is_loopback(self.url):
            # Compressing costs the server several times what it takes to send the answer plain.
            self.session.headers["Accept-Encoding"] = "identity"

    @property
    def connection_info(self) -> ConnectionInfo:
        """How another process connects to the same server."""
        auth = self.session.auth
        user = auth[0] if isinstance(auth, tuple) else None
        password_file, certificate = _text(self._password_file), _text(self._certificate)
        return ConnectionInfo(self.url, self.timeout, user, password_file, certificate, self._owner)

    def close(self) -> None:
        """Close the connection."""
        self.session.close()

    def repeat(
        self, take: Callable[[requests.Response], T], method: str, path: str, parameters: Parameters
    ) -> T:
        """Send a request to `/api/v1/`, again while it is not evaluated, until `timeout` has passed."""
        deadline = time.monotonic() + self.timeout
        for failures in itertools.count(1):
            left = max(deadline - time.monotonic(), 0.001)
            try:
                return take(self.send(method, f"/api/v1/{path}", parameters, left))
            except _RetryableError:
                pause = _BACKOFF.seconds(failures)
                if time.monotonic() + pause >= deadline:
                    raise
            time.sleep(pause)
        raise AssertionError("it is tried until it works or fails for good")

    def send(self, method: str, path: str, parameters: Parameters, timeout: float) -> requests.Response:
        """Send a request once and return the response, whatever its status."""
        if self._has_ended():
            raise PrometheusUnavailableError(f"the Prometheus that served {self.url} has ended")
        try:
            return self.session.request(
                method,
                self.url + path,
                params=parameters if method == "GET" else None,
                data=parameters if method == "POST" else None,
                timeout=timeout,
                allow_redirects=False,
            )
        except requests.Timeout as error:
            raise PrometheusUnavailableError(f"{self.url} did not answer within {timeout:.1f} s") from error
        except requests.exceptions.SSLError as error:
            raise self._tls_failure(error) from error
        except (requests.ConnectionError, ChunkedEncodingError) as error:  # before or in mid-answer
            raise _RetryableError(
                f"{self.url} cannot be reached; is the daemon running? ({_reason(error)})"
            ) from error
        except requests.RequestException as error:
            raise PrometheusError(f"{self.url} did not answer as an HTTP server does: {error}") from error

    def content(self, response: requests.Response) -> bytes:
        """Return the body of a successful response."""
        if response.status_code != 200:
            self.payload(response)
        return response.content

    def payload(self, response: requests.Response) -> dict[str, Any]:
        """Return the JSON object of a successful response. Raises PrometheusError for any other."""
        status = response.status_code
        if status in {401, 403}:
            raise self.refusal(status)
        try:
            payload = msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            payload = None
        if not isinstance(payload, dict) or payload.get("status") not in {"success", "error"}:
            raise self._not_the_api(response)
        if payload["status"] == "error":
            raise self._error_answer(status, payload)
        return payload

    def refusal(self, status: int) -> AccessRefusedError:
        """Return the error for a password that was refused."""
        named = "the file that `monitord status -o json` names as prometheus.password_file"
        where = self._password_file or named
        return AccessRefusedError(
            f"{self.url} refused the password it was given (HTTP {status}); see {where}"
        )

    def _tls_failure(self, error: requests.exceptions.SSLError) -> PrometheusError:
        if "ingerprint" in str(error):
            return PrometheusError(
                f"{self.url} shows another certificate than the one in {self._certificate}; "
                "it may be another server, or one that was started before the certificate was renewed"
            )
        reason = _reason(error)
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            return PrometheusError(f"{self.url} shows a certificate that is not trusted here: {reason}")
        return _RetryableError(f"{self.url} broke off the TLS handshake ({reason})")

    def _error_answer(self, status: int, payload: dict[str, Any]) -> PrometheusError:
        # 503 here is a query that was cancelled or took too long: it was evaluated, so no retry.
        kind = PrometheusUnavailableError if status == 503 else PrometheusError
        reason = payload.get("error", "no reason given")
        if reason == _ADMIN_DISABLED:
            return AdminApiDisabledError(
                f"{self.url} takes no snapshots: it was started without --web.enable-admin-api"
            )
        return kind(f"{self.url}: {payload.get('errorType', 'error')}: {reason}")

    def _not_the_api(self, response: requests.Response) -> PrometheusError:
        status = response.status_code
        if status == 503:
            return _RetryableError(f"{self.url} is not ready (HTTP 503); wait until Prometheus has started")
        if 300 <= status < 400:
            return PrometheusError(
                f"{self.url} redirects elsewhere (HTTP {status}); give the URL of Prometheus itself"
            )
        return PrometheusError(f"{self.url} is not Prometheus's API: HTTP {status}, {response.text[:100]!r}")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if "@" in url:
        raise InvalidInputError("the URL of Prometheus holds a password; give it by file instead")
    if not is_url:
        raise InvalidInputError(f"{url!r} is not a URL of Prometheus; write http://HOST:PORT")
    return url.rstrip("/")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: BaseException) -> str:
    """Return the system's words below the layers that requests and urllib3 wrap around them."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
