"""`python -P -m monitord.artifacts.window_collector`: collects one window after another.

A process of its own, so that the daemon neither waits for it nor holds numpy, pyarrow and samples. Orders
come as lines on its standard input, replies go to its standard output. It exits at once when the input
ends, because then nobody reads the result."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from monitord.artifacts.collected_files import collect_into_files
from monitord.artifacts.collector_messages import (
    Done,
    Going,
    Order,
    Refused,
    Reply,
    Unavailable,
    Unwritten,
    pack,
    read_order,
    to_line,
    unpack_asked,
)
from monitord.errors import (
    AccessRefusedError,
    ExitCode,
    MonitordError,
    PassingError,
    PrometheusUnavailableError,
)
from monitord.prometheus.api.client import connect
from monitord.system.background import on_a_thread


def main() -> None:
    """Carry out orders until there are no more to come."""
    # Slurm signals whole jobs. The daemon gets these signals too, and closes the input when it is done.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that output of a library is not read as a reply
    orders: SimpleQueue[bytes] = SimpleQueue()
    try:
        on_a_thread(lambda: _listen(orders))
    except PassingError as error:
        raise SystemExit(ExitCode.TRY_AGAIN) from error
    while True:
        _send(replies, _carry_out(read_order(orders.get()), replies))


def _listen(orders: SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        orders.put(line)
    os._exit(0)


def _carry_out(order: Order, replies: BinaryIO) -> Reply:
    asked = unpack_asked(order.request)
    try:
        with connect(order.server) as client:
            collection, files, rows = collect_into_files(
                asked.request, client, Path(order.folder), asked.reasons, order.samples,
                progress=lambda: _send(replies, Going()),
            )  # fmt: skip
    except (PrometheusUnavailableError, AccessRefusedError, PassingError) as error:
        # Our own Prometheus takes another password when it has been started again.
        return Unavailable(str(error))
    except MonitordError as error:
        return Refused(str(error))
    except OSError as error:
        return Unwritten(
            error.errno or 0, error.strerror or str(error), error.filename and str(error.filename)
        )
    return Done(pack(collection), {path: str(file) for path, file in files.items()}, rows)


def _send(replies: BinaryIO, reply: Reply) -> None:
    replies.write(to_line(reply) + b"\n")
    replies.flush()


if __name__ == "__main__":
    main()
