"""Reading Prometheus's log, as 2.42 and 3.5 write it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.prometheus.child.logfmt import error_messages, listening_url, parse_line

V2 = 'ts=2026-01-31T09:30:00Z caller=x.go:2 level=info component=web msg="Listening on" address='
V3 = 'time=2026-01-31T09:30Z level=INFO source=x.go:3 msg="Listening on" component=web address='
PLAIN = 'ts=2026 level=info component=web msg="TLS is disabled." http2=false address=127.0.0.1:0\n'
SECURED = 'time=2026 level=INFO component=web msg="TLS is enabled." http2=true address=127.0.0.1:0\n'
STARTING = 'ts=2026 level=info component=web msg="Start listening for connections" address=127.0.0.1:0\n'


@pytest.mark.parametrize("line", [V2, V3])
@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("127.0.0.1:44297", "http://127.0.0.1:44297"),
        ("[::1]:44297", "http://[::1]:44297"),
        ("[::]:9090", "http://127.0.0.1:9090"),
        ("0.0.0.0:9090", "http://127.0.0.1:9090"),
    ],
)
def test_the_url_is_found(line: str, address: str, url: str) -> None:
    logged = f"{STARTING}{line}{address}\n"
    assert listening_url(logged) is None  # whether by TLS or not, it has not said yet
    assert listening_url(f"{logged}{PLAIN}") == url
    assert listening_url(f"{logged}{SECURED}") == url.replace("http:", "https:")


def test_there_is_no_url_before_it_listens() -> None:
    assert listening_url("") is None
    assert listening_url(STARTING) is None


def test_a_quoted_message_cannot_pose_as_another() -> None:
    forged = 'ts=1 level=warn msg="scrape failed" err="x msg=\\"Listening on\\" address=evil:1"\n'
    assert listening_url(forged) is None


def test_errors_are_given_with_their_cause_each_once() -> None:
    log = (
        'ts=1 level=info msg="fine" err="not this"\n'
        'ts=2 caller=main.go:802 level=error msg="Unable to start web listener" '
        'err="listen tcp 127.0.0.1:9090: bind: address already in use"\n'
        'time=3 level=ERROR source=x msg="no cause"\n'
        'time=4 level=ERROR source=x msg="no cause"\n'
        "prometheus: error: unknown long flag '--x', try --help\n"
        "panic: Unable to create mmap-ed active query log\n"
        "goroutine 1 [running]:\n"
    )
    assert error_messages(log) == (
        "Unable to start web listener: listen tcp 127.0.0.1:9090: bind: address already in use",
        "no cause",
        "prometheus: error: unknown long flag '--x', try --help",
        "panic: Unable to create mmap-ed active query log",
    )


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text("ab =\"\\'é")))
def test_quoted_values_are_read_as_they_were(pairs: dict[str, str]) -> None:
    line = " ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in pairs.items())
    assert parse_line(line) == pairs


@given(st.text())
def test_any_line_is_read_without_an_error(line: str) -> None:
    parse_line(line)
    error_messages(line)
    listening_url(line)
