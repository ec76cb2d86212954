"""A log that keeps what was said."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.testing import LogCapture
from structlog.typing import FilteringBoundLogger

Entries = list[MutableMapping[str, Any]]


def recording_log() -> tuple[FilteringBoundLogger, Entries]:
    """Return a logger, and the list that what it is told is added to."""
    capture = LogCapture()
    logger: FilteringBoundLogger = structlog.wrap_logger(
        None, processors=[capture], wrapper_class=structlog.make_filtering_bound_logger("info")
    )
    return logger, capture.entries


def events(entries: Entries) -> list[str]:
    return [entry["event"] for entry in entries]
