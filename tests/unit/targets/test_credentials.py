"""Credentials in target files: what each endpoint is scraped with, what is refused and never repeated."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.errors import InvalidFileError
from monitord.targets.credentials import Kind, ScrapeCredentials
from monitord.targets.model import Registration
from monitord.targets.parse import parse
from monitord.targets.resolve import Place

BASIC = "basic_auth: {username: bench, password_file: /s/pw}"
BEARER = "bearer_token_file: /s/token"
FILES = "ca_file: /s/ca, cert_file: /s/cert, key_file: /s/key"
TLS = f"tls: {{{FILES}, server_name: MEL, insecure_skip_verify: true}}"
SERVICE = "services:\n  - name: a\n    endpoint: "


def register(text: str) -> Registration:
    return parse(text.encode(), "c1.yaml", "s", Place("h"))


def used(text: str) -> dict[str, dict[str, Any] | None]:
    """Return what each endpoint is scraped with, by its job."""
    return {
        endpoint.labels["job"]: endpoint.credentials.written() if endpoint.credentials else None
        for endpoint in register(text).endpoints
    }


def refusal(text: str) -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        register(text)
    return [str(problem) for problem in caught.value.problems]


def test_a_service_says_how_it_lets_in() -> None:
    assert used(f"{SERVICE}https://h/\n    {BASIC}\n    {TLS}\n  - {{name: b, endpoint: 'http://h/'}}") == {
        "a": {
            "username": "bench",
            "password_file": "/s/pw",
            "ca_file": "/s/ca",
            "cert_file": "/s/cert",
            "key_file": "/s/key",
            "server_name": "mel",
            "insecure_skip_verify": True,
        },
        "b": None,
    }
    assert used(f"{SERVICE}http://h/\n    {BEARER}") == {"a": {"bearer_token_file": "/s/token"}}


def test_the_files_own_is_the_default_for_all_and_tls_for_what_is_https() -> None:
    text = (
        f"{BASIC}\ntls: {{ca_file: /s/ca}}\nexporters: {{node: 9100, dcgm: 'https://h/'}}\n"
        f"{SERVICE}http://h/\n    {BEARER}\n"
        "  - {name: b, endpoint: 'https://h/', tls: {server_name: x}}\n"
    )
    basic = {"username": "bench", "password_file": "/s/pw"}
    assert used(text) == {
        "node": basic,
        "dcgm": {**basic, "ca_file": "/s/ca"},
        "a": {"bearer_token_file": "/s/token"},
        "b": {**basic, "server_name": "x"},
    }


def test_every_file_that_is_referred_to_is_known_with_its_place() -> None:
    references = register(f"{BASIC}\n{SERVICE}https://h/\n    {BEARER}\n    {TLS}\n").references
    assert [(item.path, item.kind, item.field, item.place) for item in references] == [
        ("/s/pw", Kind.SECRET, "basic_auth.password_file", (1, 46)),
        ("/s/token", Kind.SECRET, "services[0].bearer_token_file", (5, 24)),
        ("/s/ca", Kind.CERTIFICATE, "services[0].tls.ca_file", (6, 20)),
        ("/s/cert", Kind.CERTIFICATE, "services[0].tls.cert_file", (6, 38)),
        ("/s/key", Kind.KEY, "services[0].tls.key_file", (6, 57)),
    ]


@pytest.mark.parametrize(
    "text", ["tls: {}\nexporters: {a: 'https://h/'}", "basic_auth: null\nexporters: {a: 1}"]
)
def test_nothing_said_is_no_credentials(text: str) -> None:
    assert used(text) == {"a": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{BASIC}\n{BEARER}\n", "2:20: bearer_token_file: basic_auth and bearer_token_file cannot"),
        (
            f"{SERVICE}http://h/\n    {BASIC}\n    {BEARER}\n",
            "5:24: services[0].bearer_token_file: basic_auth and",
        ),
        (
            f"{SERVICE}http://h/\n    tls: {{ca_file: /a}}\n",
            "4:10: services[0].tls: tls needs https",
        ),
        ("exporters: {a: 1}\ntls: {ca_file: /a}\n", "2:6: tls: tls needs https, but no endpoint"),
        (
            f"{SERVICE}https://h/\n    tls: {{cert_file: /a}}\n",
            "4:10: services[0].tls: cert_file and key",
        ),
        (
            f"{SERVICE}https://h/\n    tls: {{key_file: /a}}\n",
            "4:10: services[0].tls: cert_file and key",
        ),
        ("basic_auth: {username: a}\n", "1:13: basic_auth.password_file: this key is required"),
        ("basic_auth: {password_file: /a}\n", "1:13: basic_auth.username: this key is required"),
        ("basic_auth: {username: 'a:b', password_file: /a}\n", "1:24: basic_auth.username: a user name has"),
        ("bearer_token_file: token\n", "1:20: bearer_token_file: expected the absolute path of a file"),
        ("bearer_token_file: ~/token\n", "1:20: bearer_token_file: expected the absolute path of a file"),
        ("bearer_token_file: [/a]\n", "1:20: bearer_token_file: expected the absolute path of a file"),
        ("tls: {insecure_skip_verify: 'yes'}\n", "1:29: tls.insecure_skip_verify: expected true or false"),
        ("tls: {server_name: 'a b'}\n", "1:20: tls.server_name: 'a b' is not a host name or address"),
        ("tls: {cafile: /a}\n", "1:7: tls.cafile: unknown key; did you mean ca_file?"),
    ],
)
def test_what_does_not_go_together_is_refused(text: str, expected: str) -> None:
    problems = refusal(text)
    assert problems[0].startswith(expected)
    assert len(problems) == 1


# --- a secret in the file itself

NO_SECRET = "a target file must not contain secrets, because others may read it; write"
WHERE = [
    ("basic_auth: {{username: bench, password: {0}}}", f"{NO_SECRET} password_file: PATH"),
    ("bearer_token: {0}", f"{NO_SECRET} bearer_token_file: PATH"),
    ("authorization: {{credentials: {0}}}", f"{NO_SECRET} bearer_token_file: PATH"),
    ("password: {0}", f"{NO_SECRET} basic_auth: {{username: NAME, password_file: PATH}}"),
    ("tls: {{key: {0}}}", f"{NO_SECRET} key_file: PATH"),
    ("services: [{{name: a, endpoint: 'http://h/', token: {0}}}]", f"{NO_SECRET} bearer_token_file: PATH"),
    ("pw: {0}", "unknown key"),
    ("pw: {{x: [{0}]}}", "unknown key"),
    ("basic_auth: {0}", ""),
    ("basic_auth: {{username: bench, password_file: {0}}}", ""),
    ("bearer_token_file: {0}", ""),
    ("bearer_token_file: {{x: {0}}}", ""),
    ("tls: {{ca_file: {0}}}", ""),
    ("tls: {{key_file: [{0}]}}", ""),
]
SECRETS = [
    "hunter2", "'hunter2'", "0777001", "12:30:45", "0xdeadbeef42", "1_000_777", ".inf", "*hunter2",
    "&hunter2 x", "!hunter2 x", "'hunter2 with blanks'", "1e999", "777001", "77.7001", "@hunter2", "%hunter2",
]  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(("form", "told"), WHERE)
def test_a_secret_in_the_file_is_refused_and_never_repeated(form: str, told: str, secret: str) -> None:
    problems = refusal(form.format(secret))
    assert problems
    word = secret.strip("'*&!@% x").partition(" ")[0]
    assert not any(word in problem for problem in problems)
    if not secret.startswith(("*", "&", "!", "@", "%")):  # which is no YAML, and refused as such
        assert any(told in problem for problem in problems)


def test_a_secret_in_a_block_is_refused_and_never_repeated() -> None:
    [problem] = refusal("bearer_token: |\n  hunter2\n")
    assert problem == f"1:1: bearer_token: {NO_SECRET} bearer_token_file: PATH instead"


@pytest.mark.parametrize(
    "url",
    [
        "http://bob:hunter2@h/", "http://bob:hunter2 x@h/", "ftp://bob:hunter2@h/", "http://bob:hunter2/x@h/",
        "http://bob:hunter2?x@h/", "bob:hunter2@h:1", "http://hunter2@h/", "http://bob:hunter2@[::1/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["exporters: {{a: '{0}'}}", "services: [{{name: a, endpoint: '{0}'}}]"])
def test_a_password_in_a_url_is_refused_and_never_repeated(form: str, url: str) -> None:
    [problem] = refusal(form.format(url))
    assert "hunter2" not in problem
    assert "must not contain a user or password" in problem


# --- what identifies them

some = st.builds(
    ScrapeCredentials,
    *(st.sampled_from(["", "/a", "/b"]) for _ in dataclasses.fields(ScrapeCredentials)[:-1]),
    st.booleans(),
)


@given(some, some)
def test_credentials_have_one_name_each_and_are_read_back_as_they_were(
    one: ScrapeCredentials, other: ScrapeCredentials
) -> None:
    assert ScrapeCredentials(**json.loads(json.dumps(one.written()))) == one
    assert (one.digest == other.digest) == (one == other)
    assert one.digest.isalnum()
