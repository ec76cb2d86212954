"""The fence: a daemon checks it before it publishes, and is refused once another one has its session.

A daemon that was delayed, by SIGSTOP or by a file system that hung, does not know it. So before every step it
makes sure that its term is still the highest, without a look at the folder if the last one is at most
VALID_SECONDS old. A daemon that takes over from one that may still be alive waits that long before it begins.

A look must reach the server: where a client caches listings for longer than VALID_SECONDS (NFS), it refreshes
them first (`fresh_listing.py`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from monitord.session.lease import VALID_SECONDS, HeldError, Holder, highest_term, read_holder
from monitord.system.clock import Clock
from monitord.system.fresh_listing import RefreshListing


@dataclass(slots=True)
class Fence:
    """The right of one holder to publish. Safe from any thread."""

    folder: Path
    mine: Holder
    clock: Clock
    refresh: RefreshListing
    _looked_at: float = float("-inf")
    _refusal: str = ""

    def check(self) -> None:
        """Raise HeldError once another daemon has taken the session over.

        A folder that cannot be listed raises nothing: nothing can be published there either.
        """
        now = self.clock.monotonic()  # before the look: an answer that took long is old when it comes
        if not self._refusal and now - self._looked_at >= VALID_SECONDS:
            with suppress(OSError):
                self._look(now)
        if self._refusal:
            raise HeldError(self._refusal)

    def _look(self, now: float) -> None:
        is_fresh = self._refresh()
        term = highest_term(self.folder)
        if term == self.mine.term:
            if is_fresh:
                self._looked_at = now
        elif term is not None and term > self.mine.term:
            who = read_holder(self.folder) or "a daemon that has ended since"
            self._refusal = f"another daemon took this session over while this one was held up: {who}"
            if isinstance(who, Holder) and who.deletes:
                self._refusal = f"this session was taken from a daemon that was held up, to be deleted: {who}"

    def _refresh(self) -> bool:
        """Refresh the listing; return False where that failed."""
        try:
            self.refresh(self.folder)
        except OSError:  # a full disk, say: the listing is used all the same, but not for long
            return False
        return True
