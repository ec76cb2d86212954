"""A client of Prometheus's HTTP API: usable on its own, and the one door to requests."""

from __future__ import annotations

import ipaddress
import itertools
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from requests.exceptions import ChunkedEncodingError

from monitord.errors import InvalidInputError, PrometheusError, PrometheusUnavailableError
from monitord.prometheus.api.answers import join_answers, parse_answer, split_range
from monitord.prometheus.api.connection_info import Door
from monitord.prometheus.api.peer_uid import OfOneUser
from monitord.prometheus.api.pinned_tls import OneCertificate
from monitord.prometheus.api.series import Answer
from monitord.system.backoff import Backoff

T = TypeVar("T")
Parameters = Mapping[str, str | list[str]]

THIS_USER = -1

_READY_TIMEOUT = 2.0
_SNAPSHOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)  # it becomes part of a path
_ADMIN_DISABLED = "admin APIs disabled"
_BACKOFF = Backoff(first=0.05, longest=1.0)


class AdminApiDisabledError(PrometheusError):
    """Prometheus was started without the API that takes snapshots."""


class PrometheusClient:
    """One connection to one Prometheus; not to be shared between threads.

    Requests but `snapshot` only read, so what fails to connect or is answered with 503 is tried again
    until `timeout` seconds have passed. Every method raises PrometheusUnavailableError when the same
    request may succeed later, and PrometheusError when it will not.
    """

    def __init__(
        self,
        url: str,
        auth: tuple[str, str] | None = None,
        timeout: float = 10.0,
        *,
        password_file: Path | None = None,
        certificate: Path | None = None,
        owner: int | None = THIS_USER,
        has_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        """Connect to nothing yet. `password_file` is only named in errors.

        With a `certificate`, a PEM file, a server is trusted that shows exactly this one, whatever
        names it holds and whoever signed it; without, one that an authority vouches for. Where it is
        asked without TLS, and on this machine, nothing is sent to it unless it runs as the uid `owner`:
        THIS_USER is our own where there is a password to lose, None whoever it is. Nothing is sent
        either once the server is known to have ended, whoever has its port then.
        Raises InvalidInputError when `url` is not an http or https URL, or holds a password, or when
        there is no certificate in the file.
        """
        self.url = _checked(url)
        self.timeout = timeout
        self._password_file = password_file
        self._certificate = certificate
        self._session = requests.Session()
        # A cluster's proxy must not see loopback requests, nor may ~/.netrc replace the password.
        self._session.trust_env = False
        self._session.auth = auth
        self._owner = (os.geteuid() if auth else None) if owner == THIS_USER else owner
        self._has_ended = has_ended
        if certificate is not None:
            self._session.mount("https://", OneCertificate(certificate))
        if self._owner is not None:
            self._session.mount("http://", OfOneUser(self._owner))
        if _is_loopback(self.url):
            # Compressing costs the server several times what it takes to send the answer plain.
            self._session.headers["Accept-Encoding"] = "identity"

    @property
    def door(self) -> Door:
        """How another process gets to the same server, without the password itself."""
        auth = self._session.auth
        user = auth[0] if isinstance(auth, tuple) else None
        password_file, certificate = _text(self._password_file), _text(self._certificate)
        return Door(self.url, self.timeout, user, password_file, certificate, self._owner)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def query(self, promql: str, at: float | None = None) -> Answer:
        """Evaluate an expression at one time, Unix seconds; None is the server's now."""
        times = {} if at is None else {"time": _seconds(round(at * 1000))}
        return parse_answer(self._read("POST", "query", {"query": promql, **times}))

    def query_json(self, promql: str, at: float) -> bytes:
        """Evaluate an expression at one time; return the answer as it is sent, for who decodes a lot."""
        times = {"time": _seconds(round(at * 1000))}
        return self._repeat(self._content, "POST", "query", {"query": promql, **times})

    def label_names(self, match: str, start: float, end: float) -> list[str]:
        """Return the names of the labels of the series that a selector picks in a range of time."""
        times = {"start": _seconds(round(start * 1000)), "end": _seconds(round(end * 1000))}
        found = self._read("GET", "labels", {"match[]": match, **times}).get("data")
        if not isinstance(found, list):
            raise PrometheusError(f"{self.url} listed its labels in an unknown way; is it Prometheus?")
        return [str(name) for name in found]

    def query_range(self, promql: str, start: float, end: float, step: float) -> Answer:
        """Evaluate an expression at start, start + step, … up to end; Unix seconds and seconds.

        Longer ranges than Prometheus answers at once are asked for in parts. Times count to the
        millisecond. Raises ValueError when end is before start or step is below 1 ms.
        """
        step_ms = round(step * 1000)
        return join_answers(
            parse_answer(
                self._read(
                    "POST",
                    "query_range",
                    {
                        "query": promql,
                        "start": _seconds(first),
                        "end": _seconds(last),
                        # As seconds, Prometheus would cut 2.03 down to 2029 ms.
                        "step": f"{step_ms}ms",
                    },
                )
            )
            for first, last in split_range(round(start * 1000), round(end * 1000), step_ms)
        )

    def series(self, *matches: str, start: float, end: float) -> list[dict[str, str]]:
        """Return the labels of the series with samples between two times that fit any of the selectors.

        Times are Unix seconds.
        """
        times = {"start": _seconds(round(start * 1000)), "end": _seconds(round(end * 1000))}
        return self._list("POST", "series", {"match[]": list(matches), **times})

    def metadata(self, metric: str | None = None) -> dict[str, list[dict[str, str]]]:
        """Return the type, help and unit of metrics as exporters tell them, or of one metric."""
        return self._data("metadata", {} if metric is None else {"metric": metric})

    def targets(self) -> list[dict[str, Any]]:
        """Return the active targets, as Prometheus describes them."""
        active = self._data("targets", {"state": "active"}).get("activeTargets")
        if not isinstance(active, list):
            raise PrometheusError(f"{self.url} listed its targets in an unknown way; is it Prometheus?")
        return active

    def targets_json(self) -> bytes:
        """Return the active targets as they are sent, for those who decode tens of thousands of them."""
        return self._repeat(self._content, "GET", "targets", {"state": "active"})

    def metrics(self) -> str:
        """Return the metrics that the server has of itself, in exposition format."""
        response = self._send("GET", "/metrics", {}, self.timeout)
        if response.status_code != 200:
            raise PrometheusError(f"{self.url}/metrics answered with HTTP {response.status_code}")
        return response.text

    def replay(self) -> tuple[int, int]:
        """Return how many segments of the write-ahead log are replayed, and how many there are.

        It is answered before the server is ready, and says (0, 0) while it does not know yet.
        """
        found = self._payload(self._send("GET", "/api/v1/status/walreplay", {}, _READY_TIMEOUT)).get("data")
        try:
            first, last, current = (int((found or {})[key]) for key in ("min", "max", "current"))
        except (KeyError, TypeError, ValueError):
            raise PrometheusError(
                f"{self.url} tells of its start in an unknown way; is it Prometheus?"
            ) from None
        return (current - first, last - first)

    def build_info(self) -> dict[str, Any]:
        """Return what the server says of itself, `version` among it."""
        return self._data("status/buildinfo")

    def flags(self) -> dict[str, Any]:
        """Return the command-line flags in force, by name."""
        return self._data("status/flags")

    def config(self) -> str:
        """Return the configuration that the server has loaded, as YAML; it leaves secrets out."""
        return str(self._data("status/config").get("yaml", ""))

    def snapshot(self) -> str:
        """Have all data written as blocks; return the name of their folder in `<data>/snapshots/`.

        Asked once and never again: each writes all that is in memory. When `timeout` passes,
        Prometheus goes on with it. Raises AdminApiDisabledError when it may not be asked for this.
        """
        path = "/api/v1/admin/tsdb/snapshot"
        payload = self._payload(self._send("POST", path, {"skip_head": "false"}, self.timeout))
        found = payload.get("data")
        name = found.get("name") if isinstance(found, dict) else None
        if not isinstance(name, str) or not _SNAPSHOT_NAME.fullmatch(name):
            raise PrometheusError(f"{self.url} named its snapshot in an unknown way; is it Prometheus?")
        return name

    def ready(self) -> bool:
        """Say whether Prometheus is ready, within 2 seconds; whatever else it does is not ready."""
        timeout = min(_READY_TIMEOUT, self.timeout)
        try:
            return self._send("GET", "/-/ready", {}, timeout).status_code == 200
        except PrometheusError:
            return False

    def reload(self) -> None:
        """Have the server read its configuration again, by its lifecycle API; asked once.

        Raises PrometheusError when it refuses the configuration, or has that API switched off.
        """
        response = self._send("POST", "/-/reload", {}, self.timeout)
        if response.status_code in {401, 403}:
            raise PrometheusError(self._refusal(response.status_code))
        if response.status_code != 200:
            raise PrometheusError(f"{self.url} did not reload: {response.text.strip()[:200]}")

    def _list(self, method: str, path: str, parameters: Parameters) -> list[Any]:
        found = self._read(method, path, parameters).get("data")
        if not isinstance(found, list):
            raise PrometheusError(f"{self.url}/api/v1/{path} answered without a list; is it Prometheus?")
        return found

    def _data(self, path: str, parameters: Parameters | None = None) -> dict[str, Any]:
        found = self._read("GET", path, parameters or {}).get("data")
        if not isinstance(found, dict):
            raise PrometheusError(f"{self.url}/api/v1/{path} answered without data; is it Prometheus?")
        return found

    def _read(self, method: str, path: str, parameters: Parameters) -> dict[str, Any]:
        return self._repeat(self._payload, method, path, parameters)

    def _repeat(
        self, take: Callable[[requests.Response], T], method: str, path: str, parameters: Parameters
    ) -> T:
        deadline = time.monotonic() + self.timeout
        for failures in itertools.count(1):
            left = max(deadline - time.monotonic(), 0.001)
            try:
                return take(self._send(method, f"/api/v1/{path}", parameters, left))
            except _TryAgainError:
                pause = _BACKOFF.seconds(failures)
                if time.monotonic() + pause >= deadline:
                    raise
            time.sleep(pause)
        raise AssertionError("it is tried until it works or fails for good")

    def _send(self, method: str, path: str, parameters: Parameters, timeout: float) -> requests.Response:
        if self._has_ended():
            raise PrometheusUnavailableError(f"the Prometheus that served {self.url} has ended")
        try:
            return self._session.request(
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
            raise _TryAgainError(
                f"{self.url} cannot be reached; is the daemon running? ({_reason(error)})"
            ) from error
        except requests.RequestException as error:
            raise PrometheusError(f"{self.url} did not answer as an HTTP server does: {error}") from error

    def _tls_failure(self, error: requests.exceptions.SSLError) -> PrometheusError:
        if "ingerprint" in str(error):
            return PrometheusError(
                f"{self.url} shows another certificate than the one in {self._certificate}; "
                "it may be another server, or one that was started before the certificate was made anew"
            )
        reason = _reason(error)
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            return PrometheusError(f"{self.url} shows a certificate that is not trusted here: {reason}")
        return _TryAgainError(f"{self.url} broke off the TLS handshake ({reason})")

    def _content(self, response: requests.Response) -> bytes:
        if response.status_code != 200:
            self._payload(response)
        return response.content

    def _payload(self, response: requests.Response) -> dict[str, Any]:
        status = response.status_code
        if status in {401, 403}:
            raise PrometheusError(self._refusal(status))
        try:
            payload = msgspec.json.decode(response.content)
        except msgspec.DecodeError:
            payload = None
        if not isinstance(payload, dict) or payload.get("status") not in {"success", "error"}:
            raise self._not_the_api(response)
        if payload["status"] == "error":
            raise self._error_answer(status, payload)
        return payload

    def _refusal(self, status: int) -> str:
        named = "the file that `monitord status -o json` names as prometheus.password_file"
        where = self._password_file or named
        return f"{self.url} refused the password it was given (HTTP {status}); see {where}"

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
            return _TryAgainError(f"{self.url} is not ready (HTTP 503); wait until Prometheus has started")
        if 300 <= status < 400:
            return PrometheusError(
                f"{self.url} redirects elsewhere (HTTP {status}); give the URL of Prometheus itself"
            )
        return PrometheusError(f"{self.url} is not Prometheus's API: HTTP {status}, {response.text[:100]!r}")


class _TryAgainError(PrometheusUnavailableError):
    """The request did not reach an evaluation, and costs nothing to repeat."""


def open_door(door: Door) -> PrometheusClient:
    """Return a client of the server that a door leads to.

    Raises PrometheusError when the password cannot be read, and InvalidInputError as the client does.
    """
    auth = None
    if door.user is not None and door.password_file is not None:
        try:
            auth = (door.user, Path(door.password_file).read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise PrometheusError(f"{door.password_file} cannot be read as a password: {error}") from error
    return PrometheusClient(
        door.url, auth, door.timeout,
        password_file=Path(door.password_file) if door.password_file else None,
        certificate=Path(door.certificate) if door.certificate else None,
        owner=door.owner,
    )  # fmt: skip


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


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
