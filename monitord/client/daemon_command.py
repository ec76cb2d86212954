"""The command line of a session's daemon, as another command passes it on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitord.session.folder import Session
from monitord.system.children import python_module

MONITORD = python_module("monitord")


def run_arguments(session: Session, flags: Mapping[str, Any]) -> list[str]:
    """Return `run` and its arguments; `flags` are those of `daemon_options`, as click gives them."""
    given = ["run", "--root", str(session.root), "--session", session.name]
    for name, value in flags.items():
        flag = _FLAGS.get(name, f"--{name.replace('_', '-')}")
        if value is True:
            given.append(flag)
        elif value not in (None, False):
            given += [flag, str(value)]
    return given


# The flags whose name is not their parameter's.
_FLAGS = {"handover": "--continue"}
