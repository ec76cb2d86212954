"""Publishing: whole or not at all, whatever moment it breaks off at."""

import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitord.artifacts import store
from monitord.artifacts.attempt import AbandonedError, Attempt
from monitord.artifacts.layout import MANIFEST
from monitord.artifacts.store import Permit, clean, publish, read_manifest
from monitord.session.lease import HeldError
from tests.fakes.guard import permit

FILES: dict[str, bytes | Path] = {"a.csv": b"x,y\n1,2\n3,4\n", "inputs/deep/b.yml": b"b"}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def without_manifest(folder: Path) -> dict[str, bytes]:
    return {path: content for path, content in tree(folder).items() if path != MANIFEST}


def test_what_is_published_is_all_there_and_listed(tmp_path: Path) -> None:
    big = tmp_path / "big.parquet"
    big.write_bytes(b"p" * 100_000)
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    files = {**FILES, "samples/big.parquet": big}
    folder = publish(
        artifacts, "run.01", files, {"status": "ok"}, rows={"samples/big.parquet": 7}, permit=permit()
    )
    assert folder == artifacts / "run.01"
    assert without_manifest(folder) == {**FILES, "samples/big.parquet": big.read_bytes()}
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest["status"] == "ok"
    assert {entry["path"]: entry["rows"] for entry in manifest["files"]} == {
        "a.csv": 2,
        "inputs/deep/b.yml": None,
        "samples/big.parquet": 7,
    }
    for entry in manifest["files"]:
        content = (folder / entry["path"]).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
        )
    assert [entry.name for entry in artifacts.iterdir()] == ["run.01"]


@pytest.mark.parametrize(("mode", "folder_mode"), [(0o600, 0o700), (0o640, 0o750)])
def test_modes(tmp_path: Path, mode: int, folder_mode: int) -> None:
    tmp_path.chmod(0o2750)
    folder = publish(tmp_path, "w", FILES, {}, mode, permit=permit())
    for path in (folder, folder / "inputs", folder / "inputs/deep"):
        assert stat.S_IMODE(path.stat().st_mode) == folder_mode | stat.S_ISGID
    for path in (folder / "a.csv", folder / MANIFEST):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_second_result_replaces_the_first_entirely(tmp_path: Path) -> None:
    publish(tmp_path, "w", FILES, {"n": 1}, permit=permit())
    publish(tmp_path, "w", {"c": b"c"}, {"n": 2}, permit=permit())
    assert without_manifest(tmp_path / "w") == {"c": b"c"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["w"]


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", MANIFEST])
def test_no_file_leaves_the_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="cannot be the path"):
        publish(tmp_path, "w", {path: b""}, {}, permit=permit())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", range(14))
def test_a_failure_at_any_write_leaves_the_old_result(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, "w", FILES, {"n": 1}, permit=permit())
    before = tree(tmp_path)
    left = step

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keys: Any) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                raise OSError(28, "No space left on device")
            return real(*arguments, **keys)

        return call

    steps = ((store, "write_synced"), (store, "sync_folder"), (Path, "rename"), (Path, "mkdir"))
    for owner, name in steps:
        monkeypatch.setattr(owner, name, failing(getattr(owner, name)))
    try:
        publish(tmp_path, "w", {**FILES, "new": b""}, {"n": 2}, permit=permit())
    except OSError:
        assert left < 0
        manifest = read_manifest(tmp_path / "w")
        assert manifest is not None
        whole = tree(tmp_path / "w")
        assert manifest["n"] == 2 or {f"w/{path}": content for path, content in whole.items()} == before
        assert {entry["path"] for entry in manifest["files"]} | {MANIFEST} == set(whole)
    else:
        assert left >= 0


@pytest.mark.parametrize("refused_at", [1, 2])
def test_a_refusal_leaves_what_is_there_as_it_is(tmp_path: Path, refused_at: int) -> None:
    publish(tmp_path, "w1", FILES, {"status": "ok"}, permit=permit())
    (tmp_path / ".old-w2").mkdir()
    before, asked = tree(tmp_path), list[int]()

    def confirm() -> None:
        asked.append(len(asked) + 1)
        if asked[-1] == refused_at:
            raise HeldError("taken over")

    for window_id in ("w1", "w2") if refused_at == 1 else ("w1",):
        asked.clear()
        refusing = Permit(Attempt(), confirm)
        with pytest.raises(HeldError):
            publish(tmp_path, window_id, {"other.csv": b"1\n"}, {"status": "failed"}, permit=refusing)
    assert tree(tmp_path) == before
    assert {entry.name for entry in tmp_path.iterdir()} == {"w1", ".old-w2"}


def test_an_attempt_that_is_abandoned_while_it_builds_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path, "w", FILES, {"n": 1}, permit=permit())
    before, attempt = tree(tmp_path), Attempt()
    built = list[str]()

    def build_and_abandon(folder: Path, *arguments: Any) -> None:
        real(folder, *arguments)
        built.append(folder.name)
        assert attempt.abandon()

    real = store._build
    monkeypatch.setattr(store, "_build", build_and_abandon)
    with pytest.raises(AbandonedError):
        publish(tmp_path, "w", {"other.csv": b"1\n"}, {"n": 2}, permit=permit(attempt))
    assert built == [f".tmp-w-{attempt.token}"]
    assert tree(tmp_path) == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["w"]
    with pytest.raises(AbandonedError):  # before it builds anything
        publish(tmp_path, "w", {}, {"n": 3}, permit=permit(attempt))
    assert len(built) == 1


def test_an_attempt_whose_artifacts_appeared_cannot_be_abandoned(tmp_path: Path) -> None:
    attempt = Attempt()
    publish(tmp_path, "w", FILES, {"n": 1}, permit=permit(attempt))
    assert not attempt.abandon()
    attempt.check()


def test_clean_puts_back_what_was_moved_aside_and_removes_what_was_half_built(tmp_path: Path) -> None:
    publish(tmp_path, "lost", FILES, {"n": 1}, permit=permit())
    (tmp_path / "lost").rename(tmp_path / ".old-lost")
    publish(tmp_path, "kept", FILES, {"n": 2}, permit=permit())
    (tmp_path / ".old-kept").mkdir()
    (tmp_path / ".tmp-other-12" / "inputs").mkdir(parents=True)
    (tmp_path / ".tmp-file").write_bytes(b"")
    clean(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["kept", "lost"]
    assert (read_manifest(tmp_path / "lost") or {})["n"] == 1
    assert (read_manifest(tmp_path / "kept") or {})["n"] == 2


def test_publishing_settles_a_replacement_that_broke_off(tmp_path: Path) -> None:
    publish(tmp_path, "w", FILES, {"n": 1}, permit=permit())
    (tmp_path / "w").rename(tmp_path / ".old-w")
    publish(tmp_path, "w", FILES, {"n": 2}, permit=permit())
    assert [entry.name for entry in tmp_path.iterdir()] == ["w"]


def test_a_manifest_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "no") is None
    (tmp_path / MANIFEST).write_text("[1")
    assert read_manifest(tmp_path) is None
    (tmp_path / MANIFEST).write_text(json.dumps([1]))
    assert read_manifest(tmp_path) is None
