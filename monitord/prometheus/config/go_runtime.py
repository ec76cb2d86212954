"""What Go's runtime prints when it ends a program for want of threads (pure)."""

from __future__ import annotations

NO_THREAD = ("pthread_create failed", "failed to create new os thread")
NO_THREAD_ADVICE = "the limit of processes (ulimit -u), which all that this user runs share, is used up"


def lacks_threads(output: str) -> bool:
    """Say whether a program of Go's ended, by what it printed, because it could start no thread."""
    return any(words in output.lower() for words in NO_THREAD)
