"""The messages between the daemon and the process that reads raw samples, one line of JSON each. Pure."""

from __future__ import annotations

import msgspec

from monitord.kpis.span import Span
from monitord.prometheus.api.connection_info import ConnectionInfo


class Order(msgspec.Struct, frozen=True):
    """All raw samples of a window are to be written into a folder."""

    server: ConnectionInfo
    span: Span
    folder: str


class Going(msgspec.Struct, tag=True):
    """The order is being carried out: another answer of the server has been written."""


class Written(msgspec.Struct, tag=True):
    """Files by their path in the artifact folder, the number of rows of each, and what is missing."""

    files: dict[str, str]
    rows: dict[str, int]
    warnings: tuple[str, ...]


class Unavailable(msgspec.Struct, tag=True):
    """The server cannot answer now; asking again later may help."""

    reason: str


class Unwritten(msgspec.Struct, tag=True):
    """The file system refused: an OSError's parts."""

    number: int
    reason: str
    file: str | None


Reply = Going | Written | Unavailable | Unwritten

_ORDERS: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)
_REPLIES: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def to_line(message: Order | Reply) -> bytes:
    """Return the message as a line, without the line end."""
    return msgspec.json.encode(message)


def read_order(line: bytes) -> Order:
    """Return the order in a line."""
    return _ORDERS.decode(line)


def read_reply(line: bytes) -> Reply:
    """Return the reply in a line."""
    return _REPLIES.decode(line)
