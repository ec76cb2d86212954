"""Settings: which source wins, where each value came from, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitord.documents.strict_yaml import read_document
from monitord.errors import InvalidFileError, InvalidInputError
from monitord.session.settings import Settings, check_settings, render_settings
from monitord.session.settings_sources import load_settings

KEY, VARIABLE = "prometheus.port", "MONITORD_PROMETHEUS_PORT"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text("prometheus: {port: 1}\nscrape_interval: 15s\n")
    return file


@pytest.fixture
def session_file(tmp_path: Path) -> Path:
    file = tmp_path / "session.yaml"
    file.write_text("prometheus: {port: 2}\nsession: bench01\n")
    return file


def test_each_source_beats_the_next(site: Path, session_file: Path) -> None:
    layers: list[tuple[int, str]] = []
    cases: list[tuple[dict[str, Any], Path | None, dict[str, str]]] = [
        ({KEY: 4}, session_file, {VARIABLE: "3", "MONITORD_CONFIG": str(site)}),
        ({KEY: None}, session_file, {VARIABLE: "3", "MONITORD_CONFIG": str(site)}),
        ({}, session_file, {"MONITORD_CONFIG": str(site)}),
        ({}, None, {"MONITORD_CONFIG": str(site)}),
        ({}, None, {"MONITORD_CONFIG": ""}),
    ]
    for flags, session, environment in cases:
        settings, origins = load_settings(session, flags, environment)
        assert origins[KEY].value == settings.prometheus.port
        layers.append((settings.prometheus.port, origins[KEY].source))
    assert layers == [
        (4, "flag"),
        (3, f"environment {VARIABLE}"),
        (2, str(session_file)),
        (1, str(site)),
        (9090, "default"),
    ]


def test_a_file_sets_only_what_it_names(site: Path, session_file: Path) -> None:
    settings, origins = load_settings(session_file, {}, {"MONITORD_CONFIG": str(site)})
    assert (settings.session, settings.scrape_interval) == ("bench01", 15.0)
    assert origins["scrape_interval"].source == str(site)
    assert settings.prometheus.host == "127.0.0.1"
    assert origins["prometheus.host"].source == "default"


def test_every_leaf_has_an_origin() -> None:
    settings, origins = load_settings(None, {}, {})
    assert origins["prometheus.limits.samples"].value == settings.prometheus.limits.samples
    assert origins["prometheus.data_dir"].value is None
    assert "prometheus" not in origins


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("MONITORD_SCRAPE_INTERVAL", "500ms", "scrape_interval", 0.5),
        ("MONITORD_SESSION", "no", "session", "no"),
        ("MONITORD_SESSION", "007", "session", "007"),
        ("MONITORD_PROMETHEUS_HOST", "[::]", "prometheus.host", "[::]"),
        ("MONITORD_PROMETHEUS_HOST", "*", "prometheus.host", "*"),
        ("MONITORD_PROMETHEUS_BINARY", "@x: {", "prometheus.binary", "@x: {"),
        ("MONITORD_PROMETHEUS_DATA_DIR", "null", "prometheus.data_dir", None),
        ("MONITORD_PROMETHEUS_AUTH", "false", "prometheus.auth", False),
        ("MONITORD_PROMETHEUS_LIMITS_SAMPLES", "10", "prometheus.limits.samples", 10),
        ("MONITORD_PROMETHEUS_PORT", "", "prometheus.port", 9090),
        ("MONITORD_TARGETS_DENY", "10.0.0.0/8, *.evil.org", "targets.deny", ["10.0.0.0/8", "*.evil.org"]),
        ("MONITORD_TARGETS_ALLOW", "mel*", "targets.allow", ["mel*"]),
        ("MONITORD_TARGETS_DENY", ",", "targets.deny", []),
    ],
)
def test_variables_are_their_text(variable: str, text: str, key: str, value: object) -> None:
    _, origins = load_settings(None, {}, {variable: text})
    assert origins[key].value == value


def test_an_unknown_variable_of_a_section_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InvalidInputError, match=f"PROT sets nothing; did you mean {VARIABLE}"):
        load_settings(None, {}, {"MONITORD_PROMETHEUS_PROT": "1"})


def test_variables_of_other_programs_and_of_no_section_are_left_alone() -> None:
    environment = {"MONITORD_ROOT": "/x", "MONITORD_PROMETHEUS": "/bin/prometheus", "PORT": "1"}
    assert load_settings(None, {}, environment)[0] == Settings()


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        ({}, {VARIABLE: "http"}, f"environment {VARIABLE}: {KEY}: expected a whole number, found"),
        ({}, {"MONITORD_PROMETHEUS_AUTH": "no"}, "AUTH: prometheus.auth: expected true or false"),
        ({}, {"MONITORD_PROMETHEUS_HOST": "\udcff"}, r"\$MONITORD_PROMETHEUS_HOST is not UTF-8"),
        ({}, {"MONITORD_TARGETS_DENY": "h,10.1.0.0/8"}, r"MONITORD_TARGETS_DENY: targets.deny\[1\]: '10.1.0"),
        ({KEY: 70000}, {}, f"flag: {KEY}: must be less than or equal to 65535"),
        ({"scrape_interval": "1ms"}, {}, "flag: scrape_interval: must be 100ms or longer"),
    ],
)
def test_a_bad_value_is_blamed_on_its_source(
    flags: dict[str, object], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        load_settings(None, flags, environment)


def test_a_bad_file_is_refused_at_its_line_and_column(session_file: Path) -> None:
    session_file.write_text("prometheus:\n  prot: 1\n  host: 7\n")
    with pytest.raises(InvalidFileError) as caught:
        load_settings(session_file, {}, {})
    assert str(caught.value).splitlines() == [
        f"{session_file}:2:3: prometheus.prot: unknown key; did you mean port?",
        f'{session_file}:3:9: prometheus.host: expected text, found the number 7; quote it: "7"',
    ]


@pytest.mark.parametrize("content", ["", "\n", "# all of it\n# commented out\n"])
def test_a_file_without_settings_sets_nothing(session_file: Path, content: str) -> None:
    session_file.write_text(content)
    assert load_settings(session_file, {}, {})[0] == Settings()


def test_a_session_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none.yaml", {}, {})[0] == Settings()


def test_a_site_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"there is no file .*/none\.yaml"):
        load_settings(None, {}, {"MONITORD_CONFIG": str(tmp_path / "none.yaml")})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=f"{tmp_path}: cannot be read: Is a directory"):
        load_settings(tmp_path, {}, {})


def test_rendered_settings_are_read_back() -> None:
    values = {"session": "bänch", KEY: read_document(b"80").value, "windows.min_coverage": 0.5}
    content = render_settings(values | {"session": "bench", "scrape_interval": "5s"})
    settings = check_settings(content)
    assert (settings.session, settings.prometheus.port) == ("bench", 80)
    assert settings.windows.min_coverage == 0.5


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().session = "other"  # type: ignore[misc]


NEUTRAL = "web: {enabled: false, host: 127.0.0.1, port: 0}\nremote_write: []\nquery_url: null\n"
UNAVAILABLE_HERE = "is not available in this version"


@pytest.mark.parametrize("content", [NEUTRAL, "web: {enabled: false}\n", "web: {}\n"])
def test_settings_without_a_feature_yet_are_accepted_at_their_neutral_values(
    session_file: Path, content: str
) -> None:
    session_file.write_text(content)
    settings, origins = load_settings(session_file, {}, {"MONITORD_WEB_ENABLED": "false"})
    assert settings == Settings()
    assert not [key for key in origins if key.startswith(("web", "remote_write", "query_url"))]


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("web: {enabled: true}", "2:1: web"),
        ("web: {port: 8080}", "2:1: web"),
        ("web: {colour: red}", "2:1: web"),
        ("web: true", "2:1: web"),
        ("remote_write: [{url: x}]", "2:1: remote_write"),
        ("query_url: http://h", "2:1: query_url"),
    ],
)
def test_settings_without_a_feature_yet_are_refused_at_any_other_value(
    session_file: Path, line: str, where: str
) -> None:
    session_file.write_text(f"session: bench01\n{line}\n")
    with pytest.raises(InvalidFileError, match=f"{session_file}:{where}: {UNAVAILABLE_HERE}"):
        load_settings(session_file, {}, {})


def test_variables_without_a_feature_yet_are_refused() -> None:
    variable = "MONITORD_WEB_ENABLED"
    with pytest.raises(InvalidInputError, match=f"environment {variable}: web: {UNAVAILABLE_HERE}"):
        load_settings(None, {}, {variable: "true"})
