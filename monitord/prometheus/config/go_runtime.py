"""Recognise Go programs that ended because they could not start a thread (pure)."""

from __future__ import annotations

NO_THREAD = ("pthread_create failed", "failed to create new os thread")
NO_THREAD_ADVICE = "the process limit (ulimit -u), which all processes of this user share, is used up"


def lacks_threads(output: str) -> bool:
    """Return whether a Go program ended, by its output, because it could not start a thread."""
    return any(words in output.lower() for words in NO_THREAD)
