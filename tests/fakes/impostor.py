"""Another user's process that takes a port as soon as it is free, and answers as Prometheus would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import wait_until

NOBODY = 65534
FORGED = 42.0

_SCRIPT = """
import json, os, socket, sys, time
port, uid, file = int(sys.argv[1]), int(sys.argv[2]), open(sys.argv[3], "ab", buffering=0)
os.setuid(uid)
while True:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind(("127.0.0.1", port))
        server.listen()
        break
    except OSError:
        server.close()
        time.sleep(0.001)
print(server.getsockname()[1], flush=True)
vector = [{"metric": {}, "value": [0, "42"]}]
answer = json.dumps({"status": "success", "data": {"resultType": "vector", "result": vector}}).encode()
while True:
    connection, _ = server.accept()
    connection.settimeout(2)
    try:
        while got := connection.recv(65536):
            file.write(got)
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(answer) + answer)
    except OSError:
        pass
    connection.close()
"""


@dataclass(frozen=True)
class Impostor:
    """Where it listens, and what it was sent."""

    process: subprocess.Popen[bytes]
    file: Path

    @property
    def port(self) -> int:
        """The port, once it has it."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    @property
    def received(self) -> bytes:
        return self.file.read_bytes()


@contextmanager
def impostor(folder: Path, port: int = 0, uid: int = NOBODY) -> Iterator[Impostor]:
    """Have a process of another user wait for a port; it ends with the context."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a process of another user")
    file = folder / "received"
    command = [sys.executable, "-c", _SCRIPT, str(port), str(uid), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        wait_until(file.exists, "the impostor to have started")
        try:
            yield Impostor(process, file)
        finally:
            process.kill()
