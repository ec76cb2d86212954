"""A session with a running daemon, for as long as a measurement takes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from monitord.atomic import read_json
from monitord.children import spawn
from monitord.overview import is_ready
from monitord.session import Session
from monitord.settings import render_settings

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.02


def await_that(done: Callable[[], object], what: str, poll_seconds: float = POLL_SECONDS) -> None:
    """Return once it is so; raises TimeoutError naming what was waited for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s in vain for {what}")
        time.sleep(poll_seconds)


@contextmanager
def running_session(root: Path, name: str) -> Iterator[Session]:
    """Create a session and run its daemon; both watchers on inotify, scrapes every second."""
    session = Session(root, name)
    session.create(
        render_settings(
            {"session": name, "scrape_interval": "1s", "watch.mode": "inotify", "prometheus.port": 0}
        )
    )
    argv = [sys.executable, "-m", "monitord", "run", "--root", str(root), "--session", name]
    daemon = spawn(argv, session.logs / "daemon.out", os.environ)
    try:
        await_that(lambda: daemon.poll() is not None or is_ready(session, time.time()), "the daemon")
        if daemon.poll() is not None:
            raise RuntimeError(f"the daemon ended: {(session.logs / 'daemon.out').read_text()}")
        yield session
    finally:
        daemon.stop(PATIENCE_SECONDS)


def drop(file: Path, content: str) -> None:
    """Write a file as a client should: under another name, then renamed into place."""
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text(content)
    temporary.replace(file)


def cancelled_window(session: Session, window_id: str) -> None:
    """Open a window and cancel it: it shows in `status`, and costs the session no collection."""
    (session.windows / f"{window_id}.start").touch()
    (session.windows / f"{window_id}.cancel").touch()
    await_that(lambda: _window_state(session, window_id) == "cancelled", f"window {window_id}")


def _window_state(session: Session, window_id: str) -> str | None:
    status = read_json(session.window_status(window_id))
    return status["state"] if isinstance(status, dict) else None
