"""Finding Prometheus's programs and asking them, with small scripts in their place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from monitord.errors import PassingError, PrometheusError
from monitord.prometheus.api.version import Build, Version
from monitord.prometheus.config import programs as module
from monitord.prometheus.config.programs import (
    RUN_TIMEOUT_SECONDS,
    check_config,
    find_binary,
    find_promtool,
    install_config,
    read_build,
)


def script(path: Path, body: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def build_of(binary: Path) -> Build:
    return Build(binary, Version(2, 53, 1), "")


def test_an_explicit_path_wins(tmp_path: Path) -> None:
    chosen = script(tmp_path / "chosen")
    other = script(tmp_path / "other")
    assert find_binary(str(chosen), {"MONITORD_PROMETHEUS": str(other)}) == chosen


def test_an_explicit_name_is_looked_for_in_path(tmp_path: Path) -> None:
    chosen = script(tmp_path / "prometheus-3")
    assert find_binary("prometheus-3", {"PATH": str(tmp_path)}) == chosen


def test_the_variable_beats_path(tmp_path: Path) -> None:
    script(tmp_path / "path" / "prometheus")
    other = script(tmp_path / "other")
    environment = {"PATH": str(tmp_path / "path"), "MONITORD_PROMETHEUS": str(other)}
    assert find_binary("prometheus", environment) == other


def test_path_beats_the_interpreters_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    beside = script(tmp_path / "venv" / "prometheus")
    assert find_binary(environment={"PATH": str(tmp_path)}) == beside
    in_path = script(tmp_path / "prometheus")
    assert find_binary(environment={"PATH": str(tmp_path)}) == in_path


def test_a_relative_path_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    script(tmp_path / "prometheus")
    assert find_binary("./prometheus", {}) == tmp_path / "prometheus"


def test_none_at_all_names_the_variable_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(PrometheusError, match="set MONITORD_PROMETHEUS"):
        find_binary(environment={"PATH": str(tmp_path)})


def test_an_explicit_choice_that_is_wrong_is_not_replaced(tmp_path: Path) -> None:
    script(tmp_path / "prometheus")
    (tmp_path / "not_executable").write_text("")
    path = {"PATH": str(tmp_path)}
    with pytest.raises(PrometheusError, match=r"prometheus\.binary names .*not_executable"):
        find_binary(str(tmp_path / "not_executable"), path)
    with pytest.raises(PrometheusError, match="MONITORD_PROMETHEUS names /no/such"):
        find_binary(environment={**path, "MONITORD_PROMETHEUS": "/no/such"})


def test_promtool_is_found_beside_the_binary_or_what_it_links_to(tmp_path: Path) -> None:
    promtool = script(tmp_path / "release" / "promtool")
    binary = script(tmp_path / "release" / "prometheus")
    link = tmp_path / "bin" / "prometheus"
    link.parent.mkdir()
    link.symlink_to(binary)
    assert find_promtool(build_of(binary), {"PATH": ""}) == promtool
    assert find_promtool(build_of(link), {"PATH": ""}) == promtool


def test_promtool_is_found_in_path_if_it_is_of_the_same_version(tmp_path: Path) -> None:
    build = build_of(script(tmp_path / "bin" / "prometheus"))
    promtool = script(tmp_path / "path" / "promtool", 'echo "promtool, version 2.53.1+ds1 (branch: x)"')
    assert find_promtool(build, {"PATH": str(promtool.parent)}) == promtool
    assert find_promtool(build, {"PATH": ""}) is None
    script(promtool, 'echo "promtool, version 2.42.0 (branch: x)"')
    assert find_promtool(build, {"PATH": str(promtool.parent)}) is None


def test_a_build_is_what_it_prints_on_either_stream(tmp_path: Path) -> None:
    binary = script(tmp_path / "prometheus", 'echo "prometheus, version 2.53.0 ($1)" >&2')
    build = read_build(binary)
    assert build.version == (2, 53, 0)
    assert "(--help)" in build.help_text


def test_a_binary_that_cannot_run_here_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "prometheus"
    binary.write_bytes(b"\x7fELF of another machine")
    binary.chmod(0o755)
    with pytest.raises(PrometheusError, match=r"cannot be run: .* MONITORD_PROMETHEUS"):
        read_build(binary)


def test_without_promtool_nothing_is_claimed(tmp_path: Path) -> None:
    assert check_config(None, tmp_path / "prometheus.yml") is False


def test_a_refused_configuration_leaves_the_old_one(tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yml"
    accepts = script(tmp_path / "accepts")
    refuses = script(tmp_path / "refuses", "echo '  FAILED: line 1: nonsense'; exit 1")
    assert install_config(config, b"old\n", accepts) is True
    with pytest.raises(PrometheusError, match=r"prometheus\.yml: FAILED: line 1: nonsense"):
        install_config(config, b"new\n", refuses)
    assert config.read_bytes() == b"old\n"


def test_an_unchanged_configuration_is_not_checked_again(tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_bytes(b"same\n")
    assert install_config(config, b"same\n", script(tmp_path / "refuses", "exit 1")) is False


def test_one_that_is_slow_to_be_read_is_waited_for_and_may_be_faster_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert RUN_TIMEOUT_SECONDS >= 2 * 25, "seen on a shared file system: 25 s"
    monkeypatch.setattr(module, "RUN_TIMEOUT_SECONDS", 0.2)
    with pytest.raises(PassingError, match=r"had not answered after 0\.2 s"):
        read_build(script(tmp_path / "prometheus", "exec sleep 60"))


@pytest.mark.parametrize(
    "said",
    ["runtime/cgo: pthread_create failed: Resource", "runtime: failed to create new OS thread (have 2)"],
)
def test_one_that_finds_no_thread_is_no_other_program(tmp_path: Path, said: str) -> None:
    limited = script(tmp_path / "promtool", f"echo '{said}'; exit 2")
    with pytest.raises(PassingError, match="could not start a thread"):
        read_build(limited)
    with pytest.raises(PassingError, match="could not start a thread"):
        check_config(limited, tmp_path / "prometheus.yml")
