"""How long windows take from their stop markers to their artifacts."""

from __future__ import annotations

import time

from monitord.session.folder import Session
from monitord.system.atomic import read_json
from tests.bench.figures import Row
from tests.bench.session import await_that, drop
from tests.fakes.exporter import FakeExporter, counter

WINDOWS = 100


def measure(session: Session) -> list[Row]:
    """Return the row for many windows of a running session that are closed at once."""
    ids = [f"w{number:03}" for number in range(WINDOWS)]
    with FakeExporter() as exporter:
        exporter.expose(counter("http_requests_total", 7.0))
        drop(session.targets / "web.yaml", f"services: [{{name: web, endpoint: {exporter.url}}}]\n")
        await_that(lambda: exporter.scrapes >= 3, "some scrapes")
        for window_id in ids:
            (session.windows / f"{window_id}.start").touch()
        await_that(lambda: all(_state(session, each) == "open" for each in ids), "all windows to be open")
        started = time.perf_counter()
        for window_id in ids:
            (session.windows / f"{window_id}.stop").touch()
        await_that(lambda: all(_state(session, each) == "done" for each in ids), "all windows to be done")
        seconds = time.perf_counter() - started
    return [
        Row(f"{WINDOWS} windows closed at once, until all are collected", f"{seconds:.3g} s"),
        Row("the same, for each window", f"{1000 * seconds / WINDOWS:.3g} ms"),
    ]


def _state(session: Session, window_id: str) -> str | None:
    status = read_json(session.window_status(window_id))
    return status.get("state") if isinstance(status, dict) else None
