"""One daemon per session: a folder of terms, of which the highest names the session's holder.

flock is not used: on Lustre it may be off, or hold for one node only. A term is a file `<number>.json` that
link() creates whole, and for one process only. A daemon takes a session over by creating the next number.
The highest is never removed: numbers only grow, and a holder that was paused finds a higher one (`fence.py`).

A holder is gone when it has released its term, when it ran on this host and its process has ended, or when
its heartbeat has not changed for STALE_SECONDS by this machine's own clock, QUIET_SECONDS once its Slurm job
has left the queue. The queue alone proves nothing: it may be another cluster's.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from monitord.errors import NotReadyError
from monitord.system.atomic import TEMPORARY_PREFIX, publish, read_if_exists, remove_leftovers, write_synced
from monitord.system.timestamps import to_iso

STALE_SECONDS = 30.0
QUIET_SECONDS = 15.0
HEARTBEAT_SECONDS = 5.0
VALID_SECONDS = 5.0
"""How long a holder that found its term the highest need not look again; a successor waits as long."""

_MODE = 0o640
_TERM = re.compile(r"([0-9]{1,18})\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a session. `process_started` is the kernel's start time of the pid, in clock ticks.

    `term` is the fencing number: of two holders, the one with the higher came later. A holder that `deletes`
    is not a daemon: it removes the session, and if it is interrupted, only another `delete` may go on.
    """

    host: str
    pid: int
    process_started: int
    since: str
    nonce: str
    term: int = 0
    slurm_job_id: str | None = None
    released: bool = False
    deletes: bool = False

    def __str__(self) -> str:
        job = f", Slurm job {self.slurm_job_id}" if self.slurm_job_id else ""
        return f"host {self.host}, pid {self.pid}{job}, since {self.since}"


class HeldError(NotReadyError):
    """Another daemon runs this session, or it is being deleted; `holder` is known in most cases."""

    def __init__(self, message: str, holder: Holder | None = None) -> None:
        super().__init__(message)
        self.holder = holder


@dataclass(frozen=True, slots=True)
class Signs:
    """How to find out whether a holder is gone.

    `heartbeat` reads something that a living holder changes every HEARTBEAT_SECONDS. `pause` waits.
    `is_queued` returns whether a Slurm job is in the queue, None where Slurm does not answer. `refresh` makes
    sure that the next listing of a folder is not a cached one (`fresh_listing.py`).
    """

    heartbeat: Callable[[], Any]
    pause: Callable[[float], None]
    is_queued: Callable[[str], bool | None] = lambda _: None
    refresh: Callable[[Path], None] = field(kw_only=True)


def acquire(
    folder: Path,
    host: str,
    now: float,
    signs: Signs,
    slurm_job_id: str | None = None,
    *,
    deletes: bool = False,
) -> Holder:
    """Become the only holder of a session: its daemon, or the one that `deletes` it.

    Raises HeldError, which names the holder.
    """
    folder.mkdir(mode=0o750, exist_ok=True)
    started = process_start(os.getpid()) or 0
    mine = Holder(host, os.getpid(), started, to_iso(now), _nonce(), 0, slurm_job_id, deletes=deletes)
    while True:
        signs.refresh(folder)
        before, judged = highest_term(folder), False
        if before is not None:
            content = read_if_exists(_path(folder, before))
            if content is None:
                continue  # a higher one has been created since
            judged = _judge(_path(folder, before), content, mine, signs)
        mine = replace(mine, term=(before or 0) + 1)
        if not _create(folder, mine):
            continue
        signs.refresh(folder)
        if highest_term(folder) == mine.term:
            break
        # No other process saw it: the number was free only because a later holder removed it.
        _path(folder, mine.term).unlink(missing_ok=True)
    if judged:  # it may still live, and does not look at the terms again before this has passed
        signs.pause(VALID_SECONDS)
    _remove_older(folder, mine.term)
    return mine


def release(folder: Path, mine: Holder) -> None:
    """Release the session, if it is still ours."""
    if read_holder(folder) == mine:
        publish(_path(folder, mine.term), _written(replace(mine, released=True)), _MODE)


def read_holder(folder: Path) -> Holder | None:
    """Return the session's holder; None when there is none."""
    term = highest_term(folder)
    content = None if term is None else read_if_exists(_path(folder, term))
    if content is None and term is not None and highest_term(folder) != term:
        return read_holder(folder)  # taken over between the two listings
    holder = None if content is None else _parse(content)
    return None if holder is None or holder.released else holder


def highest_term(folder: Path) -> int | None:
    """Return the number of the term in force; None when there never was one."""
    return max(_terms(folder), default=None)


def daemon_holder(folder: Path) -> Holder | None:
    """Return the daemon that holds the session; None when there is none."""
    holder = read_holder(folder)
    return None if holder is None or holder.deletes else holder


def is_alive(holder: Holder | None) -> bool | None:
    """Return whether a holder lives; None for one on another host, of which only its heartbeat shows it."""
    if holder is None:
        return False
    here = os.uname().nodename  # socket.gethostname(), without loading socket
    return is_alive_here(holder, here) if holder.host == here else None


def is_alive_here(holder: Holder, host: str) -> bool:
    """Return whether the holder is a living process of this machine."""
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


def _path(folder: Path, term: int) -> Path:
    return folder / f"{term}.json"


def _terms(folder: Path) -> list[int]:
    try:
        found = [_TERM.fullmatch(path.name) for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    return [int(term[1]) for term in found if term]


def _written(holder: Holder) -> bytes:
    return (json.dumps(asdict(holder)) + "\n").encode()


def _parse(content: bytes) -> Holder | None:
    try:
        return Holder(**json.loads(content))
    except (TypeError, ValueError):
        return None


def _create(folder: Path, mine: Holder) -> bool:
    """Create a term with its content in one step: a link either appears whole or exists already."""
    temporary = folder / f"{TEMPORARY_PREFIX}{mine.nonce}"
    write_synced(temporary, _written(mine), _MODE)
    try:
        os.link(temporary, _path(folder, mine.term))
    except FileExistsError:
        # A network file system can create it and still report that it existed.
        return read_if_exists(_path(folder, mine.term)) == _written(mine)
    except FileNotFoundError:  # another holder removed leftovers
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _judge(path: Path, content: bytes, mine: Holder, signs: Signs) -> bool:
    """Return whether only its silence shows that the holder is gone. Raises HeldError when it is not gone."""
    holder = _parse(content)
    if holder is None:
        raise HeldError(
            f"{path} is not a lease of this version of monitord; if no daemon runs this session, "
            "remove that file"
        )
    if holder.released:
        return False
    if holder.deletes and not mine.deletes:  # part of the session is deleted, even if that was interrupted
        raise held_by(holder)
    if holder.host == mine.host:
        if is_alive_here(holder, mine.host):
            raise held_by(holder)
        return False
    job = holder.slurm_job_id
    silence = QUIET_SECONDS if job and signs.is_queued(job) is False else STALE_SECONDS
    seen, waited = signs.heartbeat(), 0.0
    while waited < silence:
        signs.pause(1.0)
        waited += 1.0
        if signs.heartbeat() != seen:
            raise held_by(holder)
    return True


def held_by(holder: Holder) -> HeldError:
    """Return the error for a session that another process holds."""
    if holder.deletes:
        how = "if that was interrupted, finish it with: monitord delete"
        return HeldError(f"this session is being deleted: {holder}; {how}", holder)
    how = "stop it first with: monitord stop"
    return HeldError(f"this session is run by a daemon already: {holder}; {how}", holder)


def _remove_older(folder: Path, term: int) -> None:
    for older in sorted(_terms(folder)):
        if older < term:
            _path(folder, older).unlink(missing_ok=True)
    remove_leftovers(folder)


def _nonce() -> str:
    return os.urandom(8).hex()  # as `secrets` does, without its imports: `status` reads leases
