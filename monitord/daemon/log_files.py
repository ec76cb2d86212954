"""The daemon's log files. Each has its own writing thread, because the session folder may hang."""

from __future__ import annotations

import sys
import time

from monitord.session.folder import Session
from monitord.session.settings import LogSettings
from monitord.system.line_queue import LineQueue
from monitord.system.logs import Console, LogFile, open_log

_OWNER_ONLY = 0o600


class Logs:
    """The daemon's log, its console output, and the log of its Prometheus."""

    def __init__(self, session: Session, limits: LogSettings) -> None:
        console = Console(sys.stderr)
        own = LogFile(session.log_file, session.file_mode, limits.max_bytes, limits.kept)
        childs = LogFile(session.prometheus_log, _OWNER_ONLY, limits.max_bytes, limits.kept)
        self._own_file = own
        self._own, self._console = LineQueue(own.write), LineQueue(console.write)
        self.prometheus = LineQueue(childs.write)
        self.log = open_log(self._own, session.name, self._console, readable=console.is_terminal)

    def reopen(self) -> None:
        """Open the log file again, for it may have been moved away."""
        self._own.call(self._own_file.reopen)

    def close(self, seconds: float) -> None:
        """Wait until all lines are written, no longer than this for all logs together."""
        until = time.monotonic() + seconds
        for lines in (self._own, self.prometheus, self._console):
            lines.close(max(until - time.monotonic(), 0.0))
