"""From a target file's bytes to a registration, or to every problem at its line and column."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitord.errors import InvalidFileError
from monitord.file_sd.render import render_file, render_groups
from monitord.targets.model import Registration
from monitord.targets.parse import parse
from monitord.targets.resolve import Place

SLURM = Place("mel0001", under_slurm=True)
LOCAL = Place("Login1")

VALID = b"""\
version: 1
client: c1
node: mel0042
nodes: mel[0042-0043]
exporters: {node: 9100, dcgm: "mel0042:9400", ib: "https://mel0044:9200/x?y=1"}
services:
  - name: triton
    endpoint: http://mel0042:8000/metrics
    labels: {model: llama3-8b}
    interval: 5s
    timeout: 1s
labels: {run: bench01, batch: 1.10}
lease: 10m
slurm_job: 1234567
"""

SERVICE = "services:\n  - name: triton\n    endpoint: "


def refusal(content: bytes, place: Place = SLURM, file: str = "c1.yaml") -> list[str]:
    with pytest.raises(InvalidFileError) as caught:
        parse(content, file, "bench01", place)
    return [str(problem) for problem in caught.value.problems]


def register(text: str, place: Place = SLURM, file: str = "c1.yaml") -> Registration:
    return parse(text.encode(), file, "bench01", place)


def where(text: str, place: Place) -> list[tuple[str, str]]:
    """Return URL host:port and node label of each endpoint."""
    return [
        (endpoint.labels["instance"], endpoint.labels["node"]) for endpoint in register(text, place).endpoints
    ]


# --- what is accepted


def test_a_whole_file() -> None:
    registration = parse(VALID, "any.yaml", "bench01", SLURM)
    assert (registration.client, registration.lease, registration.slurm_job_id) == ("c1", 600.0, "1234567")
    common = {"session": "bench01", "client": "c1", "run": "bench01", "batch": "1.10"}
    assert [(endpoint.url, dict(endpoint.labels)) for endpoint in registration.endpoints] == [
        (
            "http://mel0042:9100/metrics",
            {**common, "job": "node", "instance": "mel0042:9100", "node": "mel0042"},
        ),
        (
            "http://mel0043:9100/metrics",
            {**common, "job": "node", "instance": "mel0043:9100", "node": "mel0043"},
        ),
        (
            "http://mel0042:9400/metrics",
            {**common, "job": "dcgm", "instance": "mel0042:9400", "node": "mel0042"},
        ),
        (
            "https://mel0044:9200/x?y=1",
            {**common, "job": "ib", "instance": "mel0044:9200", "node": "mel0044"},
        ),
        (
            "http://mel0042:8000/metrics",
            {**common, "job": "triton", "service": "triton", "model": "llama3-8b", "instance": "mel0042:8000",
             "node": "mel0042"},
        ),
    ]  # fmt: skip
    assert [(e.interval, e.timeout) for e in registration.endpoints] == [(None, None)] * 4 + [(5.0, 1.0)]
    assert registration.endpoints[-1].place == (8, 15)


def test_the_clients_name_defaults_to_the_files_stem() -> None:
    assert register("labels: {a: b}", file="mel.42.yml").client == "mel.42"
    assert refusal(b"labels: {a: b}", file="a b\n.yaml") == [
        r"1:1: the file's name 'a b\n.yaml' gives no valid client name; add client: NAME or rename the file"
    ]


def test_names_that_look_like_numbers_stay_as_written() -> None:
    assert register("client: 007x").client == "007x"
    assert register("client: 1.10").client == "1.10"
    assert register('slurm_job: "1234_5"').slurm_job_id == "1234_5"


def test_a_service_label_beats_the_files_label() -> None:
    text = f"{SERVICE}http://h:1/\n    labels: {{a: inner}}\nlabels: {{a: outer, b: b}}"
    [endpoint] = register(text).endpoints
    assert (endpoint.labels["a"], endpoint.labels["b"]) == ("inner", "b")


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("http://h:8000", "http://h:8000/metrics"),
        ("http://h", "http://h:80/metrics"),
        ("https://h/", "https://h:443/"),
        ("HTTP://H:1/Path?x=Y&z=", "http://h:1/Path?x=Y&z="),
        ("http://[FE80::1]:9100/", "http://[fe80::1]:9100/"),
        ("http://10.0.0.7:9/m", "http://10.0.0.7:9/m"),
    ],
)
def test_urls(written: str, url: str) -> None:
    assert [endpoint.url for endpoint in register(f'{SERVICE}"{written}"').endpoints] == [url]


# --- which host an endpoint means

LOCALHOSTS = ["localhost", "LOCALHOST", "127.0.0.1", "127.0.1.1", "0.0.0.0", "[::1]"]


@pytest.mark.parametrize("host", LOCALHOSTS)
@pytest.mark.parametrize("place", [SLURM, LOCAL])
def test_localhost_is_the_clients_node(host: str, place: Place) -> None:
    text = f'{SERVICE}"http://{host}:8000/"\n'
    assert where(f"{text}node: mel0042", place) == [("mel0042:8000", "mel0042")]
    assert where(f"{text}host: mel0077", place) == [("mel0077:8000", "mel0077")]
    assert where(f"{text}node: mel0042\nhost: login1", place) == [("mel0042:8000", "mel0042")]


@pytest.mark.parametrize("host", LOCALHOSTS)
def test_under_slurm_localhost_of_nobody_is_refused(host: str) -> None:
    for more in ("", "\nnode: localhost", "\nnodes: mel[1-2]"):
        [problem] = refusal(f'{SERVICE}"http://{host}:8000/"{more}'.encode())
        assert problem.startswith("3:15: services[0].endpoint: ")
        assert problem.endswith("means the client's node, which the file does not name; "
                                "add node: HOST")  # fmt: skip


@pytest.mark.parametrize(
    ("host", "instance"),
    [
        ("localhost", "localhost:8"),
        ("127.0.1.1", "127.0.1.1:8"),
        ("0.0.0.0", "127.0.0.1:8"),
        ("[::1]", "[::1]:8"),
    ],
)
def test_on_one_machine_loopback_is_taken_as_it_is(host: str, instance: str) -> None:
    text = f'{SERVICE}"http://{host}:8/"\n'
    assert where(text, LOCAL) == [(instance, "Login1")]
    assert where(f"{text}node: localhost", LOCAL) == [(instance, "localhost")]
    assert where(f"{text}host: login1", LOCAL) == [(instance, "login1")]


def test_a_bare_port_is_on_the_clients_node_or_on_each_of_its_nodes() -> None:
    assert where("exporters: {node: 9100}", LOCAL) == [("127.0.0.1:9100", "Login1")]
    assert where("exporters: {node: 9100}\nnode: MEL42", SLURM) == [("mel42:9100", "mel42")]
    assert where("exporters: {node: 9100}\nnodes: m[1-2]\nnode: x", SLURM) == [
        ("m1:9100", "m1"),
        ("m2:9100", "m2"),
    ]


def test_a_full_domain_name_keeps_the_nodes_name() -> None:
    text = 'nodes: mel[1-2]\nexporters: {a: "mel2.cluster:1", b: "mel3.cluster:1"}'
    assert where(text, SLURM) == [("mel2.cluster:1", "mel2"), ("mel3.cluster:1", "mel3.cluster")]


# --- what is refused: file -> line:column: field: message

REFUSED = [
    ("", "1:1: the file is empty"),
    ("# only a comment\n", "1:1: the file is empty"),
    ("- a\n", "1:1: expected keys and values, found a list"),
    ("clinet: c1\n", "1:1: clinet: unknown key; did you mean client?"),
    ("client: c1\nclient: c2\n", "2:1: client: duplicate key, first given in line 1"),
    ("client: c 1\n", "1:9: client: 'c 1' is not a name; use letters, digits"),
    ("client: no\n", "1:9: client: unquoted no is a boolean in YAML 1.1 and text in YAML 1.2"),
    ("node: 1:30\n", "1:7: node: unquoted 1:30 is a base-60 number"),
    ("node: mel 42\n", "1:7: node: 'mel 42' is not a host name or address"),
    ('node: "fe80::1%a b"\n', "1:7: node: 'fe80::1%a b' is not a host name or address"),
    ("node: 42\n", '1:7: node: expected text, found the number 42; quote it: "42"'),
    ("version: 2\n", "1:10: version: expected 1, found the number 2"),
    ("version: true\n", "1:10: version: expected the whole number 1"),
    ("exporters: [9100]\n", "1:12: exporters: expected keys and values, found a list"),
    ("exporters: {node: 0}\n", "1:19: exporters.node: port 0 is not a number from 1 to 65535"),
    ("exporters: {node: 99999}\n", "1:19: exporters.node: port 99999 is not a number from 1 to 65535"),
    ('exporters: {node: "٣"}\n', "1:19: exporters.node: port ٣ is not a number"),
    ("exporters: {node: true}\n", '1:19: exporters.node: expected a port, "host:port" or a URL'),
    ("exporters: {node: mel0042}\n", "1:19: exporters.node: 'mel0042' has no port; write mel0042:PORT"),
    ('exporters: {"no de": 9100}\n', "1:13: exporters.no de: 'no de' is not a name"),
    ('exporters: {node: "::1:9100"}\n',
     "1:19: exporters.node: '::1:9100' is not HOST:PORT; write an IPv6 address in brackets: [::1]:9100"),
    ("exporters: {node: 'ftp://h:1/'}\n", "1:19: exporters.node: 'ftp://h:1/' is not an http or https URL"),
    ("nodes: mel[1-\n", "1:8: nodes: column 4: '[' is never closed"),
    ("nodes: [a, b]\n", "1:8: nodes: expected a Slurm hostlist such as mel[0042-0045]"),
    ("nodes: 'a,a'\nexporters: {node: 9100}\n", "2:19: exporters.node: a:9100 is listed twice for node"),
    ("nodes: n[1-5001]\nexporters: {a: 1, b: 2}\n", "1:1: 10002 endpoints; at most 10000 are allowed"),
    ("services:\n  - name: triton\n", "2:5: services[0].endpoint: this key is required"),
    ("services: {triton: 1}\n", "1:11: services: expected a list, found keys and values"),
    (f"{SERVICE}http://h:8/\n    lables: {{a: b}}\n",
     "4:5: services[0].lables: unknown key; did you mean labels?"),
    (f"{SERVICE}h:8000\n", "3:15: services[0].endpoint: 'h:8000' is not an http or https URL"),
    (f"{SERVICE}8000\n", "3:15: services[0].endpoint: expected a URL such as http://mel0042:8000/metrics"),
    (f"{SERVICE}http://u:p@h:8000/\n", "3:15: services[0].endpoint: a URL must not contain a user"),
    (f"{SERVICE}http://h:8000/#x\n", "3:15: services[0].endpoint: a target's URL cannot have a #fragment;"),
    (f"{SERVICE}http://h:/\n", "3:15: services[0].endpoint: port (empty) is not a number"),
    (f"{SERVICE}http://h:0/\n", "3:15: services[0].endpoint: port 0 is not a number"),
    (f"{SERVICE}http://[::1/\n", "3:15: services[0].endpoint: 'http://[::1/' is not a URL; write an"),
    (f"{SERVICE}http://:80/\n", "3:15: services[0].endpoint: ':80' has no host"),
    (f"{SERVICE}'http://h:8/a b'\n", "3:15: services[0].endpoint: 'http://h:8/a b' is not a URL; write"),
    (f"{SERVICE}http://h:8/?a-b=1\n", "3:15: services[0].endpoint: query parameter 'a-b' cannot be sent"),
    (f"{SERVICE}http://h:8/a%2Fb\n", "3:15: services[0].endpoint: Prometheus would send %2F as /, which"),
    (f"{SERVICE}http://h:8/a%2bb\n", "3:15: services[0].endpoint: Prometheus would send %2b as +, which"),
    (f"{SERVICE}http://h:8/%c3%28\n", "3:15: services[0].endpoint: %c3%28 is not UTF-8, which Prometheus"),
    (f"{SERVICE}http://h:8/a%ffb\n", "3:15: services[0].endpoint: %ff is not UTF-8, which Prometheus"),
    (f"{SERVICE}http://h:8/?a=%ff\n", "3:15: services[0].endpoint: %ff is not UTF-8, which Prometheus"),
    (f"{SERVICE}http://h:8/100%\n", "3:15: services[0].endpoint: '%' is not a valid escape"),
    (f"{SERVICE}http://h:8/?a=%zz\n", "3:15: services[0].endpoint: '%zz' is not a valid escape"),
    ('exporters: {node: "http://h:8/a%2Fb"}\n', "1:19: exporters.node: Prometheus would send %2F as"),
    (f"{SERVICE}http://h:8/?a=1&a=2\n", "3:15: services[0].endpoint: query parameter a is given twice"),
    (f"{SERVICE}http://h:8/\n    interval: 5\n", "4:15: services[0].interval: 5 has no unit; write 5s"),
    (f"{SERVICE}http://h:8/\n    interval: fast\n", "4:15: services[0].interval: 'fast' is not a duration"),
    (f"{SERVICE}http://h:8/\n    interval: 50ms\n",
     "4:15: services[0].interval: interval must be 100ms or longer"),
    (f"{SERVICE}http://h:8/\n    interval: 5s\n    timeout: 6s\n",
     "5:14: services[0].timeout: timeout must not be longer than interval"),
    (f"{SERVICE}http://h:8/\n  - name: triton\n    endpoint: http://h:9/\n",
     "4:11: services[1].name: service triton is in this file twice"),
    *((f"labels: {{{name}: x}}\n", f"1:10: labels.{name}: label {name} is set by monitord")
      for name in ("job", "instance", "session", "client", "node", "service")),
    (f"{SERVICE}http://h:8/\n    labels: {{job: x}}\n",
     "4:14: services[0].labels.job: label job is set by monitord"),
    ("labels: {__a: x}\n", "1:10: labels.__a: label __a begins with __, which is reserved"),
    ("labels: {1a: x}\n", "1:10: labels.1a: '1a' is not a label name"),
    ("labels: {ü: x}\n", "1:10: labels.ü: 'ü' is not a label name"),
    ("labels: {a: true}\n", '1:13: labels.a: a label value is text; quote it: "true"'),
    ("labels: {a: [1]}\n", "1:13: labels.a: expected text, found a list"),
    ("labels: {a: }\n", "1:13: labels.a: expected text, found nothing"),
    (f"labels: {{a: {'x' * 1025}}}\n", "1:13: labels.a: 1025 characters; at most 1024 are allowed"),
    ("lease: 10\n", "1:8: lease: 10 has no unit; write 10s"),
    ("lease: 0s\n", "1:8: lease: a duration must be at least 1ms"),
    ("lease: 101y\n", "1:8: lease: '101y' is not a duration"),
    ("slurm_job: abc\n", "1:12: slurm_job: 'abc' is not a Slurm job id"),
    ("slurm_job: 0\n", "1:12: slurm_job: '0' is not a Slurm job id"),
    ("client: &x c1\n", "1:9: an anchor (&) is not allowed; quote text that begins with &"),
    ("client: *x\n", "1:9: an alias (*) is not allowed; write the value out"),
    ("client: !!str x\n", "1:9: a tag (!) is not allowed; quote text that begins with !"),
    ("labels: [[[[[[[[1]]]]]]]]\n", "1:16: nested more than 8 levels deep"),
    ("client: c1\n---\nclient: c2\n", "2:1: a second YAML document; write one document per file"),
    ("client: [c1\n", "2:1: not valid YAML: did not find expected ',' or ']'"),
    ("\tclient: c1\n", "1:1: not valid YAML: found character that cannot start any token"),
    ("labels: {a: \x1b}\n", r"1:13: character '\x1b' is not allowed; remove it"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_refused_with_place_field_and_reason(text: str, expected: str) -> None:
    problems = refusal(text.encode())
    assert problems[0].startswith(expected)
    assert len(problems) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"client: \xff\n", "1:9: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"x" * 65_537, "1:1: the file has 65537 bytes; at most 65536 are allowed"),
    ],
)
def test_refused_bytes(content: bytes, expected: str) -> None:
    assert refusal(content) == [expected]


def test_every_problem_is_listed_in_the_order_of_the_file() -> None:
    text = "clinet: c1\nnode: yes\nservices:\n  - {name: a b, endpoint: x}\nlabels: {job: 1}\nclinet: 2\n"
    assert [problem.partition(" ")[0] for problem in refusal(text.encode())] == [
        "1:1:", "2:7:", "4:12:", "4:27:", "5:10:", "6:1:",
    ]  # fmt: skip


def test_a_message_shows_no_more_of_a_file_than_it_needs() -> None:
    long, digits = "x" * 9000, "9" * 9000
    for text in (
        f"{SERVICE}{long}",
        f"{SERVICE}http://{long}/",
        f"exporters: {{a: {long}}}",
        f"exporters: {{a: 'h:{digits}'}}",
        f"exporters: {{a: '{digits}'}}",
        f"node: '{long}'",
        f"slurm_job: '{digits}x'",
    ):
        [problem] = refusal(text.encode())
        assert len(problem) < 300


def test_a_small_file_cannot_ask_for_millions_of_endpoints() -> None:
    kinds = ", ".join(f"e{n}: {n}" for n in range(1, 4000))
    start = time.process_time()
    assert refusal(f"nodes: n[1-10000]\nexporters: {{{kinds}}}\n".encode()) == [
        "1:1: 39990000 endpoints; at most 10000 are allowed in one file"
    ]
    assert time.process_time() - start < 5


# --- anything at all


def parsed(content: bytes, place: Place) -> Registration | None:
    try:
        return parse(content, "c1.yaml", "bench01", place)
    except InvalidFileError as error:
        problems = error.problems
    assert problems
    assert all(str(problem).isprintable() for problem in problems)
    return None


def assert_usable(registration: Registration) -> None:
    """What was accepted can be written for Prometheus: one file that cannot would stop all others."""
    groups: list[dict[str, Any]] = json.loads(render_file({"f": render_groups(registration.endpoints, 5.0)}))
    assert len(groups) == len(registration.endpoints)
    identities = [endpoint.identity for endpoint in registration.endpoints]
    assert len(set(identities)) == len(identities)
    for endpoint in registration.endpoints:
        assert endpoint.labels["session"] == "bench01"
        assert not any(name.startswith("__") for name in endpoint.labels)


@given(st.binary(max_size=300))
def test_random_bytes_are_invalid_or_usable(content: bytes) -> None:
    if registration := parsed(content, LOCAL):
        assert_usable(registration)


@given(
    st.lists(
        st.tuples(st.integers(0, len(VALID)), st.integers(0, 12), st.sampled_from(
            [b"", b"\n", b" ", b":", b"'", b'"', b"{", b"]", b"%", b"%/", b"localhost", b"0", b"-", b"\xff",
             b"*", b"http://"]
        )),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([SLURM, LOCAL]),
)  # fmt: skip
def test_a_damaged_file_is_invalid_or_usable(edits: list[tuple[int, int, bytes]], place: Place) -> None:
    content = VALID
    for start, length, replacement in edits:
        content = content[:start] + replacement + content[start + length :]
    if registration := parsed(content, place):
        assert_usable(registration)


hosts = st.text(alphabet="ab01:.[]%/?#@\\ _-", max_size=20)


@given(hosts, hosts, hosts, st.sampled_from([SLURM, LOCAL]))
@example("fe80::1%/x", "h", "a", SLURM)
@example("fe80::1%a b", "h", "a", SLURM)
@example("h", "[fe80::1%a]:1/x%", "a", LOCAL)
def test_hosts_and_urls_are_invalid_or_usable(node: str, rest: str, path: str, place: Place) -> None:
    document = {
        "node": node or "a",
        "exporters": {"node": 9100, "x": rest},
        "services": [{"name": "s", "endpoint": f"http://{rest}/{path}"}],
    }
    for content in (document, {**document, "exporters": {}}, {**document, "services": []}):
        if registration := parsed(json.dumps(content).encode(), place):
            assert_usable(registration)
