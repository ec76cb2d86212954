"""A folder as an NFS client shows it: a listing is kept until this client itself changes the folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any
from unittest import mock


class OldListing:
    """While it is entered, whoever lists the folder in this process is shown what was listed first.

    Real folders change all the same. Creating, linking, renaming and removing ends what is kept, as the
    server's replies to them do; in `another_client` they do not, and listings are the server's.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: list[Path] | None = None
        self._is_other = False
        self._patches = ExitStack()

    def __enter__(self) -> OldListing:
        self._patches.enter_context(mock.patch.object(Path, "iterdir", self._listing(Path.iterdir)))
        for owner, names in {os: ("open", "link"), Path: ("unlink", "replace")}.items():
            for name in names:
                changing = self._changing(getattr(owner, name))
                self._patches.enter_context(mock.patch.object(owner, name, changing))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patches.close()

    @contextmanager
    def another_client(self) -> Iterator[None]:
        """Have what is done here be done by another machine."""
        self._is_other = True
        try:
            yield
        finally:
            self._is_other = False

    def _listing(self, real: Callable[[Path], Iterator[Path]]) -> Callable[[Path], Iterator[Path]]:
        def iterdir(path: Path) -> Iterator[Path]:
            if path != self._folder or self._is_other:
                return real(path)
            if self._kept is None:
                self._kept = list(real(path))
            return iter(self._kept)

        return iterdir

    def _changing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def changed(path: Any, *arguments: Any, **more: Any) -> Any:
            done = real(path, *arguments, **more)
            is_reading = arguments and isinstance(arguments[0], int) and not arguments[0] & os.O_CREAT
            if not self._is_other and not is_reading and Path(path).parent == self._folder:
                self._kept = None
            return done

        return changed
