"""`python -P -m monitord.artifacts.sample_reader`: reads raw samples of one window after another.

A process of its own, so that the daemon neither waits for it nor holds pyarrow. Orders come as lines
on its standard input, replies go to its standard output. It exits at once when the input ends,
because then nobody reads the result.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from monitord.artifacts.sample_files import Samples, gather
from monitord.artifacts.sample_order import (
    Going,
    Order,
    Reply,
    Unavailable,
    Unwritten,
    Written,
    read_order,
    to_line,
)
from monitord.errors import ExitCode, MonitordError, PassingError, PrometheusUnavailableError
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
    try:
        with connect(order.server) as client:
            samples = gather(order.span, client, Path(order.folder), going=lambda: _send(replies, Going()))
    except PrometheusUnavailableError as error:
        return Unavailable(str(error))
    except MonitordError as error:
        samples = Samples(warnings=(f"raw samples were not kept: {error}",))
    except OSError as error:
        return Unwritten(
            error.errno or 0, error.strerror or str(error), error.filename and str(error.filename)
        )
    return Written(
        {path: str(file) for path, file in samples.files.items()}, dict(samples.rows), samples.warnings
    )


def _send(replies: BinaryIO, reply: Reply) -> None:
    replies.write(to_line(reply) + b"\n")
    replies.flush()


if __name__ == "__main__":
    main()
