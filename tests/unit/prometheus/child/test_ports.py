"""Who has a port: this very process, in a test."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from monitord.prometheus.child.ports import owner_of


def test_the_owner_is_named_with_its_pid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        owner = owner_of(server.getsockname()[1])
    name = Path("/proc/self/comm").read_text().strip()
    assert owner is not None
    assert owner.startswith(f"{name}, pid {os.getpid()}, of ")


def test_so_is_one_on_ipv6() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        assert f"pid {os.getpid()}" in (owner_of(server.getsockname()[1]) or "")


def test_a_free_port_has_no_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert owner_of(port) is None


def test_a_connection_from_a_port_is_no_owner_of_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert owner_of(client.getsockname()[1]) is None


def test_another_users_process_is_known_by_its_user_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> str:
        raise PermissionError

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(os, "readlink", refuse)
        assert (owner_of(server.getsockname()[1]) or "").startswith("a process of ")
