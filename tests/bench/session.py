"""A session with a running daemon, for as long as a measurement takes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from monitord.client.status import is_ready
from monitord.session.folder import Session
from monitord.session.settings import render_settings
from monitord.system.atomic import read_json
from monitord.system.children import Child, spawn

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.02


def await_that(done: Callable[[], object], what: str, poll_seconds: float = POLL_SECONDS) -> None:
    """Return once it is so; raises TimeoutError naming what was waited for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not done():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s in vain for {what}")
        time.sleep(poll_seconds)


def created_session(root: Path, name: str, **settings: object) -> Session:
    """Create a session; settings are given as `watch__mode="poll"`."""
    session = Session(root, name)
    given = {key.replace("__", "."): value for key, value in settings.items()}
    session.create(render_settings({"session": name, "prometheus.port": 0, **given}))
    return session


@contextmanager
def running_daemon(session: Session) -> Iterator[Child]:
    """Start a session's daemon, and end it."""
    argv = [sys.executable, "-m", "monitord", "run", "--root", str(session.root), "--session", session.name]
    daemon = spawn(argv, session.logs / "daemon.out", os.environ)
    try:
        yield daemon
    finally:
        daemon.stop(PATIENCE_SECONDS)


def await_ready(session: Session, daemon: Child) -> None:
    """Return once its Prometheus answers; raises RuntimeError when the daemon ends instead."""
    await_that(lambda: daemon.poll() is not None or is_ready(session, time.time()), "the daemon")
    if daemon.poll() is not None:
        raise RuntimeError(f"the daemon ended: {(session.logs / 'daemon.out').read_text()}")


@contextmanager
def running_session(root: Path, name: str) -> Iterator[Session]:
    """Create a session and run its daemon; both watchers on inotify, scrapes every second."""
    session = created_session(root, name, scrape_interval="1s", watch__mode="inotify")
    with running_daemon(session) as daemon:
        await_ready(session, daemon)
        yield session


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
