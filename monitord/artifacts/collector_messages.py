"""The messages between the daemon and the process that collects windows, one line of JSON each. Pure.

What is to be collected and what came of it are Python's own values, pickled: both ends are the same
program, and nobody else writes into the pipes between them."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import msgspec

from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest
from monitord.collect.verdict import Reason
from monitord.prometheus.api.connection_info import ConnectionInfo


class Order(msgspec.Struct, frozen=True):
    """A window is to be collected: `request` is a pickled Asked, files go into a folder.

    These are the summary of all series and, if they are to be kept, the raw `samples`.
    """

    server: ConnectionInfo
    request: bytes
    folder: str
    samples: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for: a window, and reasons why it is not complete that are known already."""

    request: CollectionRequest
    reasons: tuple[Reason, ...] = ()


class Going(msgspec.Struct, tag=True):
    """The order is being carried out: another answer of the server has been read."""


class Done(msgspec.Struct, tag=True):
    """The window is collected: a pickled CollectedWindow, and the files made of its samples.

    Each file is named by its path in the artifact folder, and has its number of rows.
    """

    collected: bytes
    files: dict[str, str]
    rows: dict[str, int]


class Unavailable(msgspec.Struct, tag=True):
    """The server cannot answer now; asking again later may help."""

    reason: str


class Refused(msgspec.Struct, tag=True):
    """The window cannot be collected, and trying again will not help."""

    reason: str


class Unwritten(msgspec.Struct, tag=True):
    """The file system refused: an OSError's parts."""

    number: int
    reason: str
    file: str | None


Reply = Going | Done | Unavailable | Refused | Unwritten

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


def pack(value: Asked | CollectedWindow) -> bytes:
    """Return a value as bytes, for the other process."""
    return pickle.dumps(value)


def unpack_asked(content: bytes) -> Asked:
    """Return what is asked for."""
    found = pickle.loads(content)  # noqa: S301  # from our own parent
    if not isinstance(found, Asked):
        raise TypeError(f"{type(found).__name__} is not what is asked for")
    return found


def unpack_collected(content: bytes) -> CollectedWindow:
    """Return what was collected."""
    found = pickle.loads(content)  # noqa: S301  # from our own child
    if not isinstance(found, CollectedWindow):
        raise TypeError(f"{type(found).__name__} is not what was collected")
    return found
