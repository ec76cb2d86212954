"""The fence: what a daemon passes before it publishes, and cannot pass once another has its session.

A daemon that was held up, by SIGSTOP or by a file system that stood still, does not know it. So before
every step it makes sure that its term is still the highest: for free while it has looked within
VALID_SECONDS. Whoever takes over from one that may still live waits that long before it begins.

A look is one at the server: where the client would show a listing that it keeps (NFS), longer than
VALID_SECONDS, the look begins by ending that (`listing.py`).
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
    """The right of one holder to publish. Safe from any thread: what is noted only ever saves a look."""

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
