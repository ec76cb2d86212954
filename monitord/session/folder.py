"""The session folder: every path in one place.

`targets/` and `windows/` belong to the clients, and the daemon only reads them; everything else belongs to
the daemon. Every command imports this module, so modules that few commands need are loaded in functions.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from monitord.errors import InvalidInputError
from monitord.system.atomic import write_synced
from monitord.system.listing import paths_in
from monitord.system.names import check_name

_SAFE_IN_FILE_NAMES = " !#$&'()+,;=@[]^{}"
_LONGEST_NAME = 200  # of the 255 bytes a file system takes: `.json` and a temporary name must fit


@dataclass(frozen=True)
class Session:
    """One session's folder; nothing is read or created before a method is called."""

    root: Path
    name: str

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @property
    def settings_file(self) -> Path:
        return self.folder / "session.yaml"

    @property
    def targets(self) -> Path:
        return self.folder / "targets"

    @property
    def windows(self) -> Path:
        return self.folder / "windows"

    @property
    def status(self) -> Path:
        return self.folder / "status"

    @property
    def daemon_status(self) -> Path:
        return self.status / "daemon.json"

    @property
    def outages(self) -> Path:
        """The times without data from Prometheus."""
        return self.status / "outages.json"

    @property
    def submission(self) -> Path:
        """The job that `monitord start` submitted last."""
        return self.status / "submission.json"

    @property
    def lease(self) -> Path:
        """The terms of its daemons, of which the highest holds the session."""
        return self.status / "lease"

    @property
    def target_statuses(self) -> Path:
        return self.status / "targets"

    def target_status(self, file_name: str) -> Path:
        return self.target_statuses / f"{escape_file_name(file_name)}.json"

    @property
    def window_statuses(self) -> Path:
        return self.status / "windows"

    def window_status(self, window_id: str) -> Path:
        return self.window_statuses / f"{escape_file_name(window_id)}.json"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def recipes(self) -> Path:
        """A session's own recipes, beside the packaged ones; need not exist."""
        return self.folder / "recipes"

    @property
    def schemas(self) -> Path:
        """JSON Schemas for editors; a session that was not made by the command line has none."""
        return self.folder / "schemas"

    @property
    def prometheus(self) -> Path:
        return self.folder / "prometheus"

    @property
    def prometheus_config(self) -> Path:
        return self.prometheus / "prometheus.yml"

    @property
    def file_sd(self) -> Path:
        return self.prometheus / "file_sd"

    @property
    def web_config(self) -> Path:
        return self.prometheus / "web.yml"

    @property
    def password_file(self) -> Path:
        return self.prometheus / "password"

    @property
    def certificate(self) -> Path:
        """The certificate that was generated for Prometheus."""
        return self.prometheus / "tls.crt"

    @property
    def certificate_key(self) -> Path:
        return self.prometheus / "tls.key"

    @property
    def data(self) -> Path:
        """Prometheus's data, unless they are on a disk of the node."""
        return self.prometheus / "data"

    @property
    def snapshots(self) -> Path:
        """Snapshots of data that are on a disk of the node."""
        return self.prometheus / "snapshots"

    @property
    def run_folder(self) -> Path:
        """The files that Prometheus reads at every request, unless they are on a disk of the node."""
        return self.prometheus / "run"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def log_file(self) -> Path:
        return self.logs / "monitord.jsonl"

    @property
    def prometheus_log(self) -> Path:
        return self.logs / "prometheus.log"

    @cached_property
    def file_mode(self) -> int:
        """The mode of published files: readable for the session's group where it has one."""
        return 0o640 if stat.S_IMODE(self.folder.stat().st_mode) & stat.S_IRGRP else 0o600

    def exists(self) -> bool:
        return self.settings_file.is_file()

    def create(
        self, settings: bytes, group: str | None = None, schemas: Mapping[str, bytes] | None = None
    ) -> None:
        """Create the folder, and the root where that is missing.

        Only its owner may use the folder or, with a Unix group, that group as well. `schemas` are written for
        editors, by file name. Raises InvalidInputError when the session exists or the group cannot be used,
        and OSError; nothing is left behind then.
        """
        from monitord.system.folders import PRIVATE, make_folders

        group_id = _group_id(group) if group else None
        made = make_folders(self.root)
        try:
            self.folder.mkdir(mode=PRIVATE)
        except FileExistsError:
            raise InvalidInputError(f"session {self.name} exists already: {self.folder}") from None
        try:
            self._fill(settings, schemas or {})
            if group_id is not None:
                self._open_to_group(group_id)
                for folder in made:  # a root that was there already is left as it is
                    os.chown(folder, -1, group_id)
                    folder.chmod(0o750)
        except BaseException as error:
            import shutil

            shutil.rmtree(self.folder, ignore_errors=True)
            if group_id is not None and isinstance(error, PermissionError):
                raise InvalidInputError(
                    f"you are not a member of the group {group}; see `id -Gn` for yours"
                ) from None
            raise

    def _fill(self, settings: bytes, schemas: Mapping[str, bytes]) -> None:
        from monitord.system.folders import PRIVATE

        for folder in (*self._drops, *self._readable, self.prometheus, self.file_sd):
            folder.mkdir(mode=PRIVATE)
        if schemas:
            self.schemas.mkdir(mode=PRIVATE)
        for name, content in schemas.items():
            write_synced(self.schemas / name, content)
        write_synced(self.settings_file, settings)  # last: a session exists once it has settings

    def _open_to_group(self, group_id: int) -> None:
        schemas = paths_in(self.schemas, missing_ok=True)
        readable = (self.folder, *self._readable, *((self.schemas,) if schemas else ()))
        for path in (*readable, *self._drops, self.settings_file, *schemas):
            os.chown(path, -1, group_id)
        for folder in readable:
            folder.chmod(0o2750)
        for folder in self._drops:
            # Set-group-id and sticky: all may add, each removes only their own.
            folder.chmod(0o3770)
        for file in (self.settings_file, *schemas):
            file.chmod(0o640)

    @property
    def _drops(self) -> tuple[Path, ...]:
        return (self.targets, self.windows)

    @property
    def _readable(self) -> tuple[Path, ...]:
        statuses = (self.status, self.lease, self.target_statuses, self.window_statuses)
        return (*statuses, self.artifacts, self.logs)


def default_root() -> Path:
    """Return where sessions live: `$MONITORD_ROOT`, else `$XDG_STATE_HOME/monitord`."""
    root = os.environ.get("MONITORD_ROOT")
    if root:
        return Path(root)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "monitord"


def open_session(root: Path, name: str) -> Session:
    """Return an existing session. Raises InvalidInputError with the names of those that exist."""
    session = Session(root, check_name(name, "session"))
    if not session.exists():
        others = session_names(root)
        known = f"existing sessions: {', '.join(others)}" if others else "no session exists there yet"
        raise InvalidInputError(
            f"no session {name} in {root} ({known}); create it with: monitord session-create --run-id {name}"
        )
    return session


def session_names(root: Path) -> list[str]:
    """Return the names of the sessions below a root; none where it cannot be listed."""
    return sorted(path.parent.name for path in root.glob("*/session.yaml"))


def escape_file_name(name: str) -> str:
    """Return a name that is safe to log for any file name, newlines and stray bytes included.

    A name that would be too long for a file system ends in a digest of the whole, after `%~`, which no other
    escaped name contains.
    """
    from urllib.parse import quote

    raw = os.fsencode(name)
    escaped = quote(raw, safe=_SAFE_IN_FILE_NAMES)
    if len(escaped) <= _LONGEST_NAME:
        return escaped
    import hashlib

    return f"{escaped[: _LONGEST_NAME - 18]}%~{hashlib.sha256(raw).hexdigest()[:16]}"


def unescape_file_name(name: str) -> str:
    """Reverse `escape_file_name`, unless it shortened the name."""
    from urllib.parse import unquote

    return unquote(name, errors="surrogateescape")


def _group_id(group: str) -> int:
    import grp

    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise InvalidInputError(f"no Unix group {group!r} on this machine; see `id -Gn` for yours") from None
