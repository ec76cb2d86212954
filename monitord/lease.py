"""One daemon a session: a lease file that only one can create, and that says who holds it.

No flock: on Lustre it may be off, or hold for one node only. The file is created exclusively; a
left-over one is taken over only when its holder is provably gone (same host, no such process) or, on
another host, when its heartbeat has stood still for `STALE_SECONDS` by this machine's own clock.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from monitord.atomic import read_if_exists, write_synced
from monitord.clock import to_iso
from monitord.errors import MonitordError

STALE_SECONDS = 30.0
HEARTBEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a session. `process_started` is the kernel's start time of the pid, in clock ticks."""

    host: str
    pid: int
    process_started: int
    since: str
    nonce: str


class HeldError(MonitordError):
    """Another daemon runs this session."""


def acquire(
    path: Path, host: str, now: float, heartbeat: Callable[[], Any], pause: Callable[[float], None]
) -> Holder:
    """Become the only daemon of a session.

    `heartbeat` reads something that a living holder changes every HEARTBEAT_SECONDS; `pause` waits.
    Raises HeldError naming the holder.
    """
    mine = Holder(host, os.getpid(), process_start(os.getpid()) or 0, to_iso(now), _nonce())
    while not _create(path, mine):
        content = read_if_exists(path)
        if content is None:
            continue  # released since the attempt to create it
        holder = _parse(content)
        if holder == mine:
            break  # a network file system can create it and yet say that it existed
        if holder is None:
            raise HeldError(
                f"{path} is not a lease of this version of monitord; if no daemon runs this session, "
                "remove that file"
            )
        if not _is_gone(holder, host, heartbeat, pause):
            raise HeldError(
                f"this session is run by a daemon already: host {holder.host}, pid {holder.pid}, "
                f"since {holder.since}; stop it first with: monitord stop"
            )
        _set_aside(path, holder)
    return mine


def release(path: Path, mine: Holder) -> None:
    """Give the lease up, if it is still ours."""
    if read_holder(path) == mine:
        path.unlink(missing_ok=True)


def read_holder(path: Path) -> Holder | None:
    """Return who holds the lease; None when nobody does."""
    content = read_if_exists(path)
    return None if content is None else _parse(content)


def _parse(content: bytes) -> Holder | None:
    try:
        return Holder(**json.loads(content))
    except (TypeError, ValueError):
        return None


def is_alive_here(holder: Holder, host: str) -> bool:
    """Say whether the holder is a living process of this machine."""
    return holder.host == host and process_start(holder.pid) == holder.process_started


def process_start(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot; None when there is none.

    With it a pid that was given to another process is not mistaken for the holder's.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
    return None if fields[0] in "ZX" else int(fields[19])


def _create(path: Path, holder: Holder) -> bool:
    """Create the lease with its content in one step: a link either appears whole or exists already."""
    temporary = path.with_name(f"{path.name}.{holder.nonce}")
    write_synced(temporary, (json.dumps(asdict(holder)) + "\n").encode(), 0o640)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    return True


def _is_gone(holder: Holder, host: str, heartbeat: Callable[[], Any], pause: Callable[[float], None]) -> bool:
    if holder.host == host:
        return not is_alive_here(holder, host)
    seen, waited = heartbeat(), 0.0
    while waited < STALE_SECONDS:
        pause(1.0)
        waited += 1.0
        if heartbeat() != seen:
            return False
    return True


def _nonce() -> str:
    return os.urandom(8).hex()  # as `secrets` does, without its imports: `status` reads leases


def _set_aside(path: Path, gone: Holder) -> None:
    """Remove the lease of a holder that is gone, and of no other: two may be doing this at once."""
    aside = path.with_name(f"{path.name}.{_nonce()}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
        if read_holder(aside) != gone:
            with contextlib.suppress(FileExistsError):
                os.link(aside, path)
        aside.unlink()
