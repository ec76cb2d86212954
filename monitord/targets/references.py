"""Checking the files that a target file refers to: whether each can be used for its purpose."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from shlex import quote

from monitord.errors import excerpt
from monitord.system.atomic import open_plain
from monitord.targets.credentials import Kind, Reference, ScrapeCredentials

_MAX_BYTES = 1024 * 1024
_BEGINS = {Kind.CERTIFICATE: b"-----BEGIN CERTIFICATE-----", Kind.KEY: b"PRIVATE KEY-----"}


def problem_of(reference: Reference) -> str:
    """Return why a file cannot be used, and what to do about it; empty when it can.

    A secret must be a plain file of the daemon's own user that nobody else can read.
    """
    shown = excerpt(reference.path, 200)
    is_public = reference.kind is Kind.CERTIFICATE
    try:
        status = os.stat(reference.path, follow_symlinks=is_public)  # noqa: PTH116  # only then alike
        if problem := _problem_of_file(status, shown, is_public=is_public):
            return problem
        with open_plain(reference.path, follow=is_public) as file:
            return _problem_of_content(file.read(_MAX_BYTES), reference.kind, shown)
    except OSError as error:
        return f"{shown} cannot be read by the daemon: {error.strerror}; correct the path or the permissions"


def stamp_of(credentials: ScrapeCredentials) -> str:
    """Return a text that changes when any of the files referred to does; no secret is part of it."""
    facts = []
    for reference in credentials.references():
        with contextlib.suppress(OSError):
            status = os.stat(reference.path)  # noqa: PTH116  # a certificate may be a link, as in `problem_of`
            facts.append((reference.path, status.st_mtime_ns, status.st_size, status.st_ino))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:8]


def _problem_of_file(status: os.stat_result, shown: str, *, is_public: bool) -> str:
    if not stat.S_ISREG(status.st_mode):
        return f"{shown} is not a regular file; give the path of the file itself"
    if is_public:
        return ""
    if status.st_uid != os.geteuid():
        return f"{shown} is not owned by the daemon's user; use a file owned by uid {os.geteuid()}"
    if stat.S_IMODE(status.st_mode) & 0o077:
        return f"{shown} is accessible to other users; run: chmod 600 {quote(shown)}"
    return ""


def _problem_of_content(content: bytes, kind: Kind, shown: str) -> str:
    if _BEGINS.get(kind, b"") not in content:
        return f"{shown} contains no {kind} in PEM format; convert it, for example with openssl"
    if kind is Kind.KEY and b"ENCRYPTED" in content:
        return f"{shown} is encrypted; use a key without a passphrase"
    return ""
