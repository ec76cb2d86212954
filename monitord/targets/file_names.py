"""The names of target files: which are read, and which the command line gives them. Pure."""

from __future__ import annotations

from monitord.system.names import check_name

_SUFFIX = ".yaml"


def is_target_file(name: str) -> bool:
    """Return whether a file in `targets/` is read as a target file, by its name."""
    return name.endswith((_SUFFIX, ".yml")) and not name.startswith(".")


def client_file_name(client: str) -> str:
    """Return the name of the file that holds a client's node and exporters. Raises InvalidInputError."""
    return f"{check_name(client, 'client')}{_SUFFIX}"


def service_file_name(client: str, service: str) -> str:
    """Return the name of the file that holds one service of a client. Raises InvalidInputError.

    No name contains `+`, so no two services share a file.
    """
    return f"{check_name(client, 'client')}+{check_name(service, 'service')}{_SUFFIX}"


def is_service_file_of(client: str, name: str) -> bool:
    """Return whether `service_file_name` gave this name to a service of the client."""
    return name.startswith(f"{client}+") and name.endswith(_SUFFIX)
