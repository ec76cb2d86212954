"""The schemas say what the readers say: what an editor underlines is what the daemon refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from monitord.cli.schema import KINDS as COMMAND_KINDS
from monitord.client.schemas import KINDS, all_schemas, schema_of
from monitord.client.starters import STARTERS
from monitord.documents.strict_yaml import read_document
from monitord.documents.validation import RESERVED_LABELS
from monitord.errors import InvalidFileError
from monitord.recipes.load import check_recipe, packaged_folder
from monitord.session.settings import Settings, check_settings
from monitord.targets.parse import parse
from monitord.targets.resolve import Place
from monitord.windows.markers import parse_marker

REPOSITORY = Path(__file__).parents[3]
SINCE_DRAFT_7 = {
    "$defs", "prefixItems", "unevaluatedProperties", "unevaluatedItems", "dependentRequired",
    "dependentSchemas", "minContains", "maxContains", "$anchor", "$dynamicRef", "deprecated",
}  # fmt: skip


def check(kind: str, text: str) -> bool:
    """Say whether the program takes a file; for windows, as at least one kind of marker."""
    readers: dict[str, list[Callable[[bytes], Any]]] = {
        "targets": [lambda content: parse(content, "c1.yaml", "s", Place("login1"))],
        "window": [partial(parse_marker, kind) for kind in ("start", "stop", "cancel", "yaml")],
        "recipe": [check_recipe],
        "settings": [check_settings],
    }
    return any(_takes(reader, text) for reader in readers[kind])


def _takes(reader: Callable[[bytes], Any], text: str) -> bool:
    try:
        reader(text.encode())
    except InvalidFileError:
        return False
    return True


def schema_takes(kind: str, text: str) -> bool:
    document = read_document(text.encode())
    assert not document.problems, "not YAML as editors read it"
    return bool(Draft7Validator(schema_of(kind)).is_valid(document.value))


SERVICE = "services:\n  - name: triton\n    endpoint: "
KPI = "name: mine\nhelp: h\nkpis:\n  - {name: k, help: K, unit: x/s, "
UNITS = (
    "1/s", "%", "ms", "tokens/s", "°C", "µs", "μs", "MB/s", "J/token", "m²", "requests per second",
    "kg*m/s^2", "W/(m*K)", "€", "x" * 64,
)  # fmt: skip
NO_UNITS = ("=1+1", "+1", "-1", "@SUM(A1)", "ms\u202e", "=cmd|'' /C calc''!A0", "a,b", "ms ", "/s", "x" * 65)


def with_unit(unit: str) -> str:
    kpi = f"name: k, help: K, unit: '{unit}', kind: gauge, metric: a, stats: [max]"
    return f"name: mine\nhelp: h\nkpis: [{{{kpi}}}]\n"


CONTRACT_TARGETS = """\
version: 1
client: c1
node: mel0042
nodes: mel[0042-0045]
exporters: {node: 9100, dcgm: "mel0042:9400"}
services:
  - name: triton
    endpoint: http://mel0042:8000/metrics
    labels: {model: llama3-8b}
    interval: 5s
labels: {run: bench01}
lease: 10m
slurm_job: 1234567
"""
CONTRACT_SETTINGS = """\
session: bench01
scrape_interval: 5s
watch: {poll_interval: 2s, full_scan_interval: 30s, mode: auto}
prometheus: {host: 127.0.0.1, port: 9090, binary: prometheus, data_dir: null, retention: 15d, auth: true}
windows: {settle_timeout: 30s, min_coverage: 0.95}
"""

VALID = [
    ("targets", CONTRACT_TARGETS),
    ("targets", "exporters: {node: 9100, a: '9101', b: 'h:1', c: '[::1]:9100', d: 'https://h/x?y=1'}\n"),
    ("targets", "exporters: {ib: 'http://[fe80::1%eth0]:9200/'}\nnode: fe80::1%eth0\n"),
    ("targets", "client: 42\nlabels: {batch: 1.10, k: 7, minus: -1, big: 1e5, text: '', u: ü}\n"),
    ("targets", "nodes: mel[0042-0045,0050], login1,gpu[1-2]-ib[0-1]\nexporters: {node: 9100}\n"),
    ("targets", "nodes: login1\nclient:\nnode: ~\nlease: null\nslurm_job: '12_3'\n"),
    ("targets", f"{SERVICE}HTTP://h\n    interval: 1.5s\n    timeout: 500ms\n"),
    ("targets", f"{SERVICE}http://h:08000/a%20b?x=1&y=%23\n    interval: 2d\n"),
    ("targets", "basic_auth: {username: b, password_file: /home/b/pw}\nexporters: {node: 9100}\n"),
    ("targets", f"{SERVICE}https://h/\n    bearer_token_file: /t\n    tls: {{ca_file: /a b}}\n"),
    ("targets", f"{SERVICE}https://h/\n    tls: {{cert_file: /b, key_file: /c, server_name: h}}\n"),
    ("targets", f"{SERVICE}https://h/\n    tls: {{insecure_skip_verify: true}}\n"),
    ("window", "at: 1700000009\n"),
    ("window", "at: '1700000009.5'\nlabels: {a: 1}\nrecipes: [node]\nslo: [latency.p99 < 250 ms]\n"),
    ("window", "at: 2023-11-14T23:13:29+01:00\nresults: {requests: 1000, p: {value: 2.5, unit: ms}}\n"),
    ("window", "from: 1700000000\nto: 2023-11-14T22:14:20.5Z\nresults: {a: {value: 1}}\n"),
    ("window", "slo:\n  - coverage{node=\"a\"}>=95 %\n  - 'reported.x.y <= -1e3 tokens/s'\n"),
    ("window", "from: 20231114T221320Z\nto: 2023-11-14 22:14:20+0000\n"),
    ("window", "{}\n"),
    ("recipe", f"{KPI}kind: counter, metric: a_total, match: 'm!=\"i\"', scale: 2, stats: [mean, total]}}\n"),
    ("recipe", f"{KPI}kind: counter, metric: a, per: 'b{{c=~\"d\"}}', stats: [mean], by: [node, gpu]}}\n"),
    ("recipe", f"{KPI}kind: expr, expr: 'up{{$selector}}', stats: [value]}}\n"),
    ("recipe", f"{KPI}kind: gauge, metric: a, better: lower, stats: [mean]}}\nslo: [k.mean < 1]\n"),
    *(("recipe", with_unit(unit)) for unit in UNITS),
    *(("window", f"results: {{a: {{value: 1, unit: '{unit}'}}}}\n") for unit in (*UNITS, "")),
    ("settings", CONTRACT_SETTINGS),
    ("settings", "targets: {allow: [], deny: [10.0.0.0/8, 'fe80::/10', 10.0.0.7, 'mel*', '*.evil.org']}\n"),
    ("settings", "prometheus: {limits: {samples: 1}, start_timeout: 1m}\nwindows: {min_coverage: 1}\n"),
    *((kind, text) for kind, text in STARTERS.items()),
    *(("recipe", file.read_text()) for file in sorted(packaged_folder().glob("*.yaml"))),
]  # fmt: skip

WRONG = [
    ("targets", "clinet: c1\n"),
    ("targets", "- a\n"),
    ("targets", "version: 2\n"),
    ("targets", "version: true\n"),
    ("targets", "client: c 1\n"),
    ("targets", "client: -1\n"),
    ("targets", f"client: {'x' * 129}\n"),
    ("targets", "node: mel 42\n"),
    ("targets", "node: 42\n"),
    ("targets", "nodes: [a, b]\n"),
    ("targets", "nodes: mel[1-\n"),
    ("targets", "nodes: mel[a-b]\n"),
    ("targets", "exporters: [9100]\n"),
    ("targets", "exporters: {node: 0}\n"),
    ("targets", "exporters: {node: 99999}\n"),
    ("targets", "exporters: {node: true}\n"),
    ("targets", "exporters: {node: 1.5}\n"),
    ("targets", "exporters: {node: mel0042}\n"),
    ("targets", "exporters: {'no de': 9100}\n"),
    ("targets", "exporters: {node: '::1:9100'}\n"),
    ("targets", "exporters: {node: 'ftp://h:1/'}\n"),
    ("targets", "services: {triton: 1}\n"),
    ("targets", "services:\n  - name: triton\n"),
    ("targets", f"{SERVICE}h:8000\n"),
    ("targets", f"{SERVICE}8000\n"),
    ("targets", f"{SERVICE}http://u:p@h:8000/\n"),
    ("targets", f"{SERVICE}http://h:8000/#x\n"),
    ("targets", f"{SERVICE}http://h:/\n"),
    ("targets", f"{SERVICE}http://h:0/\n"),
    ("targets", f"{SERVICE}'http://h:8/a b'\n"),
    ("targets", f"{SERVICE}http://h:8/\n    lables: {{a: b}}\n"),
    ("targets", f"{SERVICE}http://h:8/\n    interval: 5\n"),
    ("targets", f"{SERVICE}http://h:8/\n    interval: fast\n"),
    *(("targets", f"labels: {{{name}: x}}\n") for name in sorted(RESERVED_LABELS)),
    ("targets", "labels: {__a: x}\n"),
    ("targets", "labels: {1a: x}\n"),
    ("targets", "labels: {a: true}\n"),
    ("targets", "labels: {a: [1]}\n"),
    ("targets", "labels: {a: }\n"),
    ("targets", f"labels: {{a: {'x' * 1025}}}\n"),
    ("targets", "lease: 10\n"),
    ("targets", "lease: 0s\n"),
    ("targets", "lease: 101y\n"),
    ("targets", "basic_auth: {username: b, password: hunter2}\n"),
    ("targets", "basic_auth: {username: b}\n"),
    ("targets", "basic_auth: {username: 'a:b', password_file: /a}\n"),
    ("targets", "basic_auth: hunter2\n"),
    ("targets", "bearer_token: hunter2\n"),
    ("targets", "bearer_token_file: hunter2\n"),
    ("targets", "tls: {insecure_skip_verify: 1}\n"),
    ("targets", "tls: {ca_file: ca.pem}\n"),
    ("targets", "slurm_job: abc\n"),
    ("targets", "slurm_job: 0\n"),
    ("window", "from: 1\n"),
    ("window", "from: 1700000000000000\nto: 1700000001000000\n"),
    ("window", "from: -1\nto: 5\n"),
    ("window", "from: 2023-11-14T22:13:20\nto: 5\n"),
    ("window", "from: 2023-11-14\nto: 5\n"),
    ("window", "from: yesterday\nto: 5\n"),
    ("window", "form: 1\nto: 5\n"),
    ("window", "at: true\n"),
    ("window", "at: 1\nfrom: 1\nto: 5\n"),
    ("window", "results: {a: fast}\n"),
    ("window", "results: {a b: 1}\n"),
    ("window", "results: {a: {value: 1, units: ms}}\n"),
    ("window", "labels: {node: x}\n"),
    ("window", "slo: [latency < 250 ms]\n"),
    ("window", "slo: [latency.p99 == 250 ms]\n"),
    ("recipe", "name: a\nhelp: b\nkpis: []\n"),
    ("recipe", f"{KPI}kind: counter, stats: [mean]}}\n"),
    *(("recipe", with_unit(unit)) for unit in (*NO_UNITS, "")),
    *(("window", f"results: {{a: {{value: 1, unit: '{unit}'}}}}\n") for unit in NO_UNITS),
    ("recipe", f"{KPI}kind: expr, stats: [value]}}\n"),
    ("recipe", f"{KPI}kind: gauge, metric: a, stats: []}}\n"),
    ("recipe", f"{KPI}kind: gauge, metric: a, stats: [mean, mean]}}\n"),
    ("recipe", f"{KPI}kind: gauge, metric: a, stats: [mean], by: [rack]}}\n"),
    ("recipe", f"{KPI}kind: gauge, metric: a, stats: [mean], scale: 0}}\n"),
    ("recipe", f"{KPI}kind: gauge, metric: a, stats: [mean], metrik: 0}}\n"),
    ("recipe", f"{KPI}kind: gauge, metric: 'a{{x=\"1\"}}', stats: [mean]}}\n"),
    ("recipe", f"{KPI}kind: gauge, metric: a, match: 'x=\"1\"}} or up{{', stats: [mean]}}\n"),
    ("recipe", f"{KPI}kind: counter, metric: a, per: 'b{{x=1}}', stats: [mean]}}\n"),
    ("recipe", f"{KPI}kind: sumary, metric: a, stats: [mean]}}\n"),
    ("settings", "scrape_interval: 5\n"),
    ("settings", "prometheus: {prot: 1}\n"),
    ("settings", "prometheus: {port: 65536}\n"),
    ("settings", "prometheus: {limits: {samples: 0}}\n"),
    ("settings", "watch: {mode: magic}\n"),
    ("settings", "targets: {deny: 10.0.0.0/8}\n"),
    ("settings", "targets: {deny: ['']}\n"),
    ("settings", "targets: {denied: []}\n"),
    ("settings", "windows: {min_coverage: 1.5}\n"),
    ("settings", "web: {enabled: true}\n"),
    ("settings", "remote_write: [{url: x}]\n"),
    ("settings", "query_url: http://h\n"),
]  # fmt: skip

# What only the program can know, since it is said in two places or needs counting.
BEYOND_A_SCHEMA = [
    ("targets", f"{SERVICE}http://h:8/\n    interval: 5s\n    timeout: 6s\n"),
    ("targets", "nodes: n[1-5001]\nexporters: {a: 1, b: 2}\n"),
    ("targets", "exporters: {a: '0xa9fea9fe:1'}\n"),
    ("targets", f"{SERVICE}http://h/\n    tls: {{ca_file: /a}}\n"),
    ("targets", "basic_auth: {username: a, password_file: /a}\nbearer_token_file: /b\n"),
    ("settings", "targets: {deny: [10.1.2.3/8]}\n"),
    ("window", "from: 5\nto: 5\n"),
    ("recipe", f"{KPI}kind: counter, metric: a, stats: [p99]}}\n"),
]


@pytest.mark.parametrize(("kind", "text"), VALID)
def test_what_the_program_takes_the_schema_takes(kind: str, text: str) -> None:
    assert check(kind, text)
    assert schema_takes(kind, text)


@pytest.mark.parametrize(("kind", "text"), WRONG)
def test_what_the_schema_can_see_is_wrong_for_both(kind: str, text: str) -> None:
    assert not check(kind, text)
    assert not schema_takes(kind, text)


@pytest.mark.parametrize(("kind", "text"), BEYOND_A_SCHEMA)
def test_what_a_schema_cannot_say_it_lets_pass(kind: str, text: str) -> None:
    assert not check(kind, text)
    assert schema_takes(kind, text)


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object in a schema, with where it stands."""
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from nodes(item, f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from nodes(item, f"{path}/{index}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_is_draft_7(kind: str) -> None:
    schema = schema_of(kind)
    Draft7Validator.check_schema(schema)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    for path, node in nodes(schema):
        if not path.endswith(("/properties", "/patternProperties", "/definitions")):
            assert not SINCE_DRAFT_7 & node.keys(), path
        if "$ref" in node:
            assert list(node) == ["$ref"], f"{path}: draft 7 overlooks what stands beside a $ref"
            assert node["$ref"].removeprefix("#/definitions/") in schema["definitions"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_editor_is_told_what_everything_is_and_that_there_is_no_more(kind: str) -> None:
    schema = schema_of(kind)
    assert schema["title"].startswith("monitord ")
    for path, node in nodes(schema):
        if node.get("type") == "object":
            assert node["additionalProperties"] is False, path
        if "properties" in node and "type" in node:
            assert node["title"], path
            assert node["description"], path
            undescribed = [key for key, item in node["properties"].items() if not item.get("description")]
            assert not undescribed, path


@pytest.mark.parametrize("kind", KINDS)
def test_a_default_is_something_that_one_could_write(kind: str) -> None:
    schema = schema_of(kind)
    for path, node in nodes(schema):
        if "default" in node and not path.endswith("/properties"):
            validator = Draft7Validator({**node, "definitions": schema.get("definitions", {})})
            assert validator.is_valid(node["default"]), (path, node["default"])
    if kind == "settings":
        assert schema["definitions"]["PrometheusSettings"]["properties"]["retention"]["default"] == "15d"
        assert Settings().prometheus.retention == 15 * 86400


@pytest.mark.parametrize("kind", KINDS)
def test_the_patterns_are_ones_that_editors_can_read(kind: str) -> None:
    """JavaScript refuses an escape of what need not be escaped, where Python shrugs."""
    patterns = [node["pattern"] for _, node in nodes(schema_of(kind)) if isinstance(node.get("pattern"), str)]
    patterns += [
        key for path, node in nodes(schema_of(kind)) if path.endswith("/patternProperties") for key in node
    ]
    assert patterns
    for pattern in patterns:
        assert not re.search(r"\\[^\\\[\]{}()/|^$.*+?sdnx]|\(\?[^:!=]", pattern), pattern


def test_the_command_knows_every_kind_and_has_a_starter_for_it() -> None:
    assert COMMAND_KINDS == KINDS == tuple(STARTERS)
    assert set(all_schemas()) == {f"{kind}.json" for kind in KINDS}
    for kind, text in STARTERS.items():
        first = text.splitlines()[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert first.endswith(f"schemas/{kind}.json")


def test_the_readmes_examples_fit_the_schemas() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    for kind, telling in (("settings", "scrape_interval:"), ("targets", "exporters:")):
        found = [block for block in blocks if telling in block]
        assert found
        assert all(schema_takes(kind, block) for block in found)
