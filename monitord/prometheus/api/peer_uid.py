"""Trust a server on this machine only if it runs as an expected user.

When Prometheus dies, any user may take its port, and would be sent the password with the next request. The
kernel knows whose process accepted a connection: that is looked up after connecting and before anything is
sent.
"""

from __future__ import annotations

import errno
import ipaddress
import select
import socket
import sys
import time
from pathlib import Path
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError

from monitord.errors import PrometheusUnavailableError

_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_NOT_ACCEPTED = "0"  # the inode of a connection that no process has taken from the listener's queue
_LOST = select.POLLERR | select.POLLHUP | select.POLLRDHUP
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
_PATIENCE = 10.0


class PeerUidAdapter(HTTPAdapter):
    """Sends plain HTTP requests within this machine only to servers that run as one uid.

    A server on another machine is not checked, nor where the kernel does not show its connections.
    """

    def __init__(self, uid: int) -> None:
        class Connection(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                _await_owner(self, uid)

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        self._pools = {"http": Pool}
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools


def accepted_by(connection: socket.socket) -> int | None:
    """Return the uid of the process that accepted a connection within this machine; None if none has yet.

    Raises OSError where the kernel does not show its connections.
    """
    server, client = _address(connection.getpeername()), _address(connection.getsockname())
    for table in _TABLES if server[0].version == 4 else _TABLES[1:]:
        is_v6 = table is _TABLES[1]
        wanted = f" {_in_kernel_format(server, is_v6)} {_in_kernel_format(client, is_v6)} "
        _, found, rest = table.read_text(encoding="ascii").partition(wanted)
        if found:
            _, _, _, _, uid, _, inode, *_ = rest.split(maxsplit=7)
            return None if inode == _NOT_ACCEPTED else int(uid)
    return None


def is_within_machine(connection: socket.socket) -> bool:
    """Return whether both ends of a connection are on this machine."""
    (server, _), (client, _) = _address(connection.getpeername()), _address(connection.getsockname())
    return server.is_loopback or server == client


def _await_owner(made: HTTPConnection, uid: int) -> None:
    connection = made.sock
    if not is_within_machine(connection):
        return
    patience = made.timeout if isinstance(made.timeout, int | float) else _PATIENCE
    deadline, pause = time.monotonic() + patience, _FIRST_PAUSE
    lost = select.poll()
    lost.register(connection, _LOST)
    while (owner := _owner(connection, uid)) is None:
        if lost.poll(pause * 1000):
            raise ConnectionAbortedError(errno.ECONNABORTED, "the server went away")
        if time.monotonic() >= deadline:
            raise ConnectTimeoutError(made, "the server does not accept the connection")
        pause = min(2 * pause, _LONGEST_PAUSE)
    if owner != uid:
        raise PrometheusUnavailableError(
            f"the process that listens on {made.host}:{made.port} belongs to uid {owner}, not to uid {uid}: "
            "nothing was sent to it; Prometheus may have ended and another process taken its port"
        )


def _owner(connection: socket.socket, unknown: int) -> int | None:
    try:
        return accepted_by(connection)
    except OSError:
        return unknown


Address = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]


def _address(name: tuple[Any, ...]) -> Address:
    address = ipaddress.ip_address(name[0].partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    return address, name[1]


def _in_kernel_format(end: Address, is_v6: bool) -> str:
    """Format one end of a connection as the kernel does: hexadecimal words in host byte order."""
    address, port = end
    packed = address.packed
    if is_v6 and address.version == 4:
        packed = bytes(10) + b"\xff\xff" + packed
    words = (packed[at : at + 4] for at in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words) + f":{port:04X}"
