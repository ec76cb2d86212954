"""A client of Prometheus's HTTP API, usable on its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from monitord.errors import PrometheusError
from monitord.prometheus.api.answers import join_answers, parse_answer, split_range
from monitord.prometheus.api.connection_info import ConnectionInfo
from monitord.prometheus.api.series import Answer
from monitord.prometheus.api.transport import THIS_USER, Parameters, Transport

_READY_TIMEOUT = 2.0
_SNAPSHOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)  # it becomes part of a path


class PrometheusClient:
    """One connection to one Prometheus; each thread needs a client of its own.

    Reads that fail to connect, or are answered with 503, are retried until `timeout` seconds have passed;
    `snapshot` and `reload` are sent once. Every method raises PrometheusUnavailableError when the same
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
        """Prepare a client; the first request connects.

        `password_file` is only named in errors. `certificate` is a PEM file: only a server that shows exactly
        this certificate is trusted; without it, the usual authorities decide. `owner` is for plain HTTP on
        this machine: nothing is sent unless the server runs as that uid. THIS_USER means our own uid if there
        is a password, and no check otherwise; None means no check. Once `has_ended` returns True, nothing is
        sent, since another process may have taken the port.
        Raises InvalidInputError when `url` is not an http or https URL or holds a password, or when the file
        holds no certificate.
        """
        self._transport = Transport(
            url, auth, timeout,
            password_file=password_file, certificate=certificate, owner=owner, has_ended=has_ended,
        )  # fmt: skip

    @property
    def url(self) -> str:
        """The server's URL, without a slash at its end."""
        return self._transport.url

    @property
    def timeout(self) -> float:
        """Seconds that a call may take, its retries included."""
        return self._transport.timeout

    @property
    def connection_info(self) -> ConnectionInfo:
        """How another process connects to the same server, without the password itself."""
        return self._transport.connection_info

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
        self._transport.close()

    def query(self, promql: str, at: float | None = None) -> Answer:
        """Evaluate an expression at one time, Unix seconds; None is the server's now."""
        times = {} if at is None else {"time": _seconds(round(at * 1000))}
        return parse_answer(self._read("POST", "query", {"query": promql, **times}))

    def query_json(self, promql: str, at: float) -> bytes:
        """Evaluate an expression at one time; return the response undecoded, for large answers."""
        times = {"time": _seconds(round(at * 1000))}
        return self._transport.repeat(self._transport.content, "POST", "query", {"query": promql, **times})

    def label_names(self, match: str, start: float, end: float) -> list[str]:
        """Return the label names of the series that match a selector between two times."""
        times = {"start": _seconds(round(start * 1000)), "end": _seconds(round(end * 1000))}
        found = self._read("GET", "labels", {"match[]": match, **times}).get("data")
        if not isinstance(found, list):
            raise PrometheusError(f"{self.url} returned an unexpected list of labels; is it Prometheus?")
        return [str(name) for name in found]

    def query_range(self, promql: str, start: float, end: float, step: float) -> Answer:
        """Evaluate an expression at start, start + step, … up to end; Unix seconds and seconds.

        Ranges with more points than Prometheus returns at once are read in parts. Times are rounded to the
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
                        # Given in seconds, Prometheus would truncate 2.03 to 2029 ms.
                        "step": f"{step_ms}ms",
                    },
                )
            )
            for first, last in split_range(round(start * 1000), round(end * 1000), step_ms)
        )

    def series(self, *matches: str, start: float, end: float) -> list[dict[str, str]]:
        """Return the labels of the series that match any selector and have samples between two times.

        Times are Unix seconds.
        """
        times = {"start": _seconds(round(start * 1000)), "end": _seconds(round(end * 1000))}
        return self._list("POST", "series", {"match[]": list(matches), **times})

    def metadata(self, metric: str | None = None) -> dict[str, list[dict[str, str]]]:
        """Return type, help and unit of all metrics, or of one, as exporters report them."""
        return self._data("metadata", {} if metric is None else {"metric": metric})

    def targets(self) -> list[dict[str, Any]]:
        """Return the active targets in Prometheus's own form."""
        active = self._data("targets", {"state": "active"}).get("activeTargets")
        if not isinstance(active, list):
            raise PrometheusError(f"{self.url} returned an unexpected list of targets; is it Prometheus?")
        return active

    def targets_json(self) -> bytes:
        """Return the active targets undecoded, for tens of thousands of them."""
        return self._transport.repeat(self._transport.content, "GET", "targets", {"state": "active"})

    def metrics(self) -> str:
        """Return the server's own metrics, in exposition format."""
        response = self._transport.send("GET", "/metrics", {}, self.timeout)
        if response.status_code != 200:
            raise PrometheusError(f"{self.url}/metrics answered with HTTP {response.status_code}")
        return response.text

    def replay(self) -> tuple[int, int]:
        """Return how many segments of the write-ahead log are replayed, and how many there are.

        Works before the server is ready; (0, 0) while it does not know yet.
        """
        found = self._transport.payload(
            self._transport.send("GET", "/api/v1/status/walreplay", {}, _READY_TIMEOUT)
        ).get("data")
        try:
            first, last, current = (int((found or {})[key]) for key in ("min", "max", "current"))
        except (KeyError, TypeError, ValueError):
            raise PrometheusError(
                f"{self.url} returned an unexpected WAL replay status; is it Prometheus?"
            ) from None
        return (current - first, last - first)

    def build_info(self) -> dict[str, Any]:
        """Return the server's build information, with its `version`."""
        return self._data("status/buildinfo")

    def flags(self) -> dict[str, Any]:
        """Return the command-line flags in force, by name."""
        return self._data("status/flags")

    def config(self) -> str:
        """Return the loaded configuration as YAML; Prometheus leaves secrets out."""
        return str(self._data("status/config").get("yaml", ""))

    def snapshot(self) -> str:
        """Write all data as blocks; return the name of their folder in `<data>/snapshots/`.

        Sent once, since each call writes everything in memory. After `timeout` Prometheus continues
        writing. Raises AdminApiDisabledError when the admin API is off.
        """
        path = "/api/v1/admin/tsdb/snapshot"
        payload = self._transport.payload(
            self._transport.send("POST", path, {"skip_head": "false"}, self.timeout)
        )
        found = payload.get("data")
        name = found.get("name") if isinstance(found, dict) else None
        if not isinstance(name, str) or not _SNAPSHOT_NAME.fullmatch(name):
            raise PrometheusError(f"{self.url} returned an unexpected snapshot name; is it Prometheus?")
        return name

    def ready(self) -> bool:
        """Return whether Prometheus reports ready within 2 seconds; any failure means no."""
        timeout = min(_READY_TIMEOUT, self.timeout)
        try:
            return self._transport.send("GET", "/-/ready", {}, timeout).status_code == 200
        except PrometheusError:
            return False

    def reload(self) -> None:
        """Reload the configuration by the lifecycle API; sent once.

        Raises PrometheusError when the server refuses the configuration, or when that API is off.
        """
        response = self._transport.send("POST", "/-/reload", {}, self.timeout)
        if response.status_code in {401, 403}:
            raise self._transport.refusal(response.status_code)
        if response.status_code != 200:
            raise PrometheusError(f"{self.url} did not reload: {response.text.strip()[:200]}")

    def _list(self, method: str, path: str, parameters: Parameters) -> list[Any]:
        found = self._read(method, path, parameters).get("data")
        if not isinstance(found, list):
            raise PrometheusError(f"{self.url}/api/v1/{path} did not return a list; is it Prometheus?")
        return found

    def _data(self, path: str, parameters: Parameters | None = None) -> dict[str, Any]:
        found = self._read("GET", path, parameters or {}).get("data")
        if not isinstance(found, dict):
            raise PrometheusError(f"{self.url}/api/v1/{path} did not return data; is it Prometheus?")
        return found

    def _read(self, method: str, path: str, parameters: Parameters) -> dict[str, Any]:
        return self._transport.repeat(self._transport.payload, method, path, parameters)


def connect(info: ConnectionInfo) -> PrometheusClient:
    """Return a client of the server that `info` describes.

    Raises PrometheusError when the password cannot be read, and InvalidInputError as `PrometheusClient` does.
    """
    auth = None
    if info.user is not None and info.password_file is not None:
        try:
            auth = (info.user, Path(info.password_file).read_text(encoding="ascii").strip())
        except (OSError, ValueError) as error:
            raise PrometheusError(f"{info.password_file} cannot be read as a password: {error}") from error
    return PrometheusClient(
        info.url, auth, info.timeout,
        password_file=Path(info.password_file) if info.password_file else None,
        certificate=Path(info.certificate) if info.certificate else None,
        owner=info.owner,
    )  # fmt: skip


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"
