"""What the reader of target files takes of a URL, Prometheus asks for as it was written."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from monitord.file_sd.render import render_file, render_groups
from monitord.targets.address import parse_url
from monitord.targets.model import Endpoint
from tests.conftest import wait_until
from tests.fakes.exporter import FakeExporter
from tests.integration.prometheus.conftest import Server

pytestmark = pytest.mark.real

ESCAPES = [f"%{number:02X}" for number in range(256)]
PRINTABLE = [chr(number) for number in range(0x21, 0x7F) if chr(number) not in "?#%"]
MORE = [
    "%C3%BC",
    "%f0%9f%98%80",
    "%EF%BF%BD",
    "%252F",
    "a//b",
    "a/../b",
    "%2e%2e",
    "%c3%28",
    "%ED%A0%80",
    "%z1",
]
VALUES = ["%2F%3F%26%3D%2B", "%C3%BC", "b+c%20d", "%ff", "100%"]


def as_asked(path: str) -> str:
    """Write a path with the differences that make none: see RFC 3986, 2.3 and 6.2.2."""
    unreserved = re.compile(r"[A-Za-z0-9._~-]")

    def spell(found: re.Match[str]) -> str:
        character = chr(int(found[1], 16))
        return character if unreserved.fullmatch(character) else found[0].upper()

    # What need not be escaped, or may not stand in a URL, is decoded by every server.
    free = re.sub(r"""[!"'()*<>\[\\\]^`{|}]""", lambda found: f"%{ord(found[0]):02X}", path)
    return re.sub(r"%([0-9A-Fa-f]{2})", spell, free)


def is_taken(url: str) -> bool:
    try:
        parse_url(url)
    except ValueError:
        return False
    return True


def test_what_is_taken_is_asked_for_as_it_is_written(server: Server, exporter: FakeExporter) -> None:
    written = [f"/m/a{piece}b" for piece in (*ESCAPES, *PRINTABLE, *MORE)]
    written += [f"/m?value={value}" for value in VALUES]
    urls = [f"http://{exporter.address}{path}" for path in written]
    taken = {f"{number}": url for number, url in enumerate(urls) if is_taken(url)}
    refused = {re.split("/m/a|value=", url)[1].removesuffix("b") for url in urls if not is_taken(url)}
    # The first are asked for as other paths, the rest as nothing that was meant: seen without the refusal.
    others = {"%24", "%26", "%2B", "%2C", "%2F", "%3A", "%3B", "%3D", "%40"}
    assert refused == others | set(ESCAPES[128:]) | {"%c3%28", "%ED%A0%80", "%z1", "%ff", "100%"}
    endpoints = [
        Endpoint(url=f"{url}{'&' if '?' in url else '?'}n={number}", labels={"n": number}, interval=1.0)
        for number, url in taken.items()
    ]
    (server.file_sd / "targets-00.json").write_bytes(render_file({"f": render_groups(endpoints, 1.0)}))
    server.start()
    wait_until(lambda: len(set(exporter.paths)) >= len(taken), "every target to be scraped", 40.0)
    asked = {parse_qs(urlsplit(path).query)["n"][0]: urlsplit(path) for path in set(exporter.paths)}
    for number, url in taken.items():
        assert asked[number].path == as_asked(urlsplit(url).path)
        values = {**parse_qs(urlsplit(url).query), "n": [number]}
        assert parse_qs(asked[number].query) == values
