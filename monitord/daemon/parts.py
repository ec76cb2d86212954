"""The names of what the daemon's two loops call. A part is added, woken and removed by one of these."""

from __future__ import annotations

from enum import StrEnum


class MainPart(StrEnum):
    """Parts of the main loop. None of them touches the session folder."""

    SERVICE = "service"
    STALLS = "stalls"
    ALLOCATION = "allocation"
    CHILDREN = "children"


class FolderPart(StrEnum):
    """Parts of the loop that works on the session folder."""

    TARGETS = "targets"
    CONFIG = "config"
    CERTIFICATE = "certificate"
    RELOAD = "reload"
    WINDOWS = "windows"
    HEALTH = "health"
    TARGET_STATUSES = "target_statuses"
    HANDOVER = "handover"
    HEARTBEAT = "heartbeat"
