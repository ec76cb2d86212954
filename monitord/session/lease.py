"""One daemon a session: a folder of terms, of which the highest says who holds the session.

No flock: on Lustre it may be off, or hold for one node only. A term is a file `<number>.json` that
appears whole by link(), which only one can do. Taking over means creating the number after the
highest, and that one is never removed: numbers only grow, and a holder that was paused finds a higher
one when it looks (`fence.py`).

A holder is gone when it released its term, when its process is not alive on this host, or when its
heartbeat stood still by this machine's own clock: for STALE_SECONDS, or QUIET_SECONDS once its Slurm job
left the queue. The queue alone proves nothing: it may be another cluster's.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from monitord.documents.timestamps import to_iso
from monitord.errors import NotReadyError
from monitord.system.atomic import TEMPORARY_PREFIX, publish, read_if_exists, remove_leftovers, write_synced

STALE_SECONDS = 30.0
QUIET_SECONDS = 15.0
HEARTBEAT_SECONDS = 5.0
VALID_SECONDS = 5.0
"""For how long a holder that found itself the highest need not look again, and a successor waits."""

_MODE = 0o640
_TERM = re.compile(r"([0-9]{1,18})\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a session. `process_started` is the kernel's start time of the pid, in clock ticks.

    `term` is the fencing number: of two holders the one with the higher came later. One that `deletes` is no
    daemon: it removes the session, and what it left undone only another one like it takes up.
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
    """Another daemon runs this session, or somebody deletes it; `holder` says who, where that is known."""

    def __init__(self, message: str, holder: Holder | None = None) -> None:
        super().__init__(message)
        self.holder = holder


@dataclass(frozen=True, slots=True)
class Signs:
    """How to tell that a holder is gone.

    `heartbeat` reads something that a living holder changes every HEARTBEAT_SECONDS; `is_queued` says
    whether a Slurm job is in the queue, None when Slurm does not say; `pause` waits; `clear` has the next
    listing of a folder show what is there (`listing.py`).
    """

    heartbeat: Callable[[], Any]
    pause: Callable[[float], None]
    is_queued: Callable[[str], bool | None] = lambda _: None
    clear: Callable[[Path], None] = field(kw_only=True)


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

    Raises HeldError naming the holder.
    """
    folder.mkdir(mode=0o750, exist_ok=True)
    started = process_start(os.getpid()) or 0
    mine = Holder(host, os.getpid(), started, to_iso(now), _nonce(), 0, slurm_job_id, deletes=deletes)
    while True:
        signs.clear(folder)
        before, judged = highest_term(folder), False
        if before is not None:
            content = read_if_exists(_path(folder, before))
            if content is None:
                continue  # a higher one has come since
            judged = _judge(_path(folder, before), content, mine, signs)
        mine = replace(mine, term=(before or 0) + 1)
        if not _create(folder, mine):
            continue
        signs.clear(folder)
        if highest_term(folder) == mine.term:
            break
        # Seen by nobody: it was free only because later terms had it removed.
        _path(folder, mine.term).unlink(missing_ok=True)
    if judged:  # it may live, and believe for as long as this that nothing has changed
        signs.pause(VALID_SECONDS)
    _remove_older(folder, mine.term)
    return mine


def release(folder: Path, mine: Holder) -> None:
    """Give the session up, if it is still ours."""
    if read_holder(folder) == mine:
        publish(_path(folder, mine.term), _written(replace(mine, released=True)), _MODE)


def read_holder(folder: Path) -> Holder | None:
    """Return who holds the session; None when nobody does."""
    term = highest_term(folder)
    content = None if term is None else read_if_exists(_path(folder, term))
    if content is None and term is not None and highest_term(folder) != term:
        return read_holder(folder)  # taken over between the two looks
    holder = None if content is None else _parse(content)
    return None if holder is None or holder.released else holder


def highest_term(folder: Path) -> int | None:
    """Return the number of the term in force; None when there never was one."""
    return max(_terms(folder), default=None)


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
        # A network file system can create it and yet say that it existed.
        return read_if_exists(_path(folder, mine.term)) == _written(mine)
    except FileNotFoundError:  # a holder tidied up
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _judge(path: Path, content: bytes, mine: Holder, signs: Signs) -> bool:
    """Say whether a holder that is gone was judged by its silence alone; raises HeldError if it is not."""
    holder = _parse(content)
    if holder is None:
        raise HeldError(
            f"{path} is not a lease of this version of monitord; if no daemon runs this session, "
            "remove that file"
        )
    if holder.released:
        return False
    if holder.deletes and not mine.deletes:  # half of the session is gone, whatever became of who deletes it
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
    """Return what to raise where a session is another's."""
    if holder.deletes:
        how = "if nothing is going on there any more, go on with: monitord delete"
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
