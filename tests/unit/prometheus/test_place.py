"""Where the data go, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitord.prometheus.place import DataPlace, data_place, own_folder, retention_bytes, risk, run_folder

SESSION = Path("/lustre/u/sessions/bench")
MOUNTS = "/dev/sda / ext4 rw 0 0\nmds@tcp:/fs /lustre lustre rw 0 0\ntmpfs /local tmpfs rw 0 0\n"


def test_what_is_set_is_taken_as_it_is() -> None:
    place = data_place("/local/mine", {"SLURM_TMPDIR": "/local/1"}, SESSION, 7)
    assert (place.folder, place.is_ours) == (Path("/local/mine"), False)


@pytest.mark.parametrize(
    ("environment", "base"),
    [
        ({"SLURM_TMPDIR": "/local/1", "SLURM_JOB_ID": "1", "TMPDIR": "/t"}, "/local/1"),
        ({"SLURM_JOB_ID": "1", "TMPDIR": "/t"}, "/t"),
    ],
)
def test_in_a_job_it_is_the_jobs_own_disk(environment: dict[str, str], base: str) -> None:
    place = data_place(None, environment, SESSION, 7)
    assert place.folder == own_folder(Path(base), SESSION, 7) / "data"
    assert place.is_ours


@pytest.mark.parametrize("environment", [{}, {"TMPDIR": "/t"}, {"SLURM_JOB_ID": "1"}])
def test_elsewhere_it_is_the_sessions_folder(environment: dict[str, str]) -> None:
    place = data_place(None, environment, SESSION, 7)
    assert (place.folder, place.is_ours) == (SESSION / "prometheus" / "data", False)


def test_users_and_sessions_of_one_name_do_not_meet() -> None:
    names = {own_folder(Path("/tmp"), Path(root) / "bench", uid) for root in ("/a", "/b") for uid in (1, 2)}
    assert len(names) == 4
    assert all(folder.name.startswith("bench-") for folder in names)


def test_what_is_read_at_every_request_is_never_on_the_shared_folder() -> None:
    assert run_folder({"SLURM_TMPDIR": "/l"}, SESSION, 7).is_relative_to("/l")
    assert run_folder({"TMPDIR": "/t"}, SESSION, 7).is_relative_to("/t")
    assert run_folder({}, SESSION, 7).is_relative_to("/tmp")


def test_data_on_a_network_file_system_are_told() -> None:
    text = risk(DataPlace(SESSION / "prometheus" / "data", ""), MOUNTS)
    assert "on lustre" in text
    assert "prometheus.data_dir" in text
    assert risk(DataPlace(Path("/local/1/data"), ""), MOUNTS) == ""
    assert risk(DataPlace(Path("/home/data"), ""), MOUNTS) == ""


def test_the_data_may_have_four_fifths_of_what_the_disk_has_for_them() -> None:
    assert retention_bytes(None, 60, 40) == 80
    assert retention_bytes(5, 60, 40) == 5
    assert retention_bytes(None, 0, 0) == 1
