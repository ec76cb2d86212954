"""Where data and secrets may lie, and how much room data may take."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.prometheus.data.data_location import (
    Location,
    data_locations,
    network_warning,
    retention_bytes,
    run_locations,
)

SESSION = Path("/shared/sessions/bench01")
IN_SESSION = Location(SESSION / "prometheus/data", "the session folder")
UID = 1000


def data(environment: dict[str, str], setting: str | None = None, session: Path = SESSION) -> list[Location]:
    chosen = None if setting is None else Path(setting)
    return list(data_locations(chosen, environment, session, IN_SESSION.folder, UID))


def run(environment: dict[str, str], kinds: dict[str, str]) -> list[str]:
    def kind_of(folder: Path) -> str:
        return next((kind for point, kind in kinds.items() if str(folder).startswith(point)), "ext4")

    return [
        str(location.scratch or location.folder)
        for location in run_locations(environment, SESSION, SESSION / "prometheus/run", UID, kind_of)
    ]


def test_outside_slurm_data_lie_in_the_session_folder() -> None:
    assert data({"TMPDIR": "/tmp"}) == [IN_SESSION]


def test_in_a_job_they_lie_on_the_nodes_disk_if_it_can_be_had() -> None:
    environment = {"SLURM_JOB_ID": "7", "SLURM_TMPDIR": "/local/7", "TMPDIR": "/tmp"}
    assert [(location.scratch, location.reason) for location in data(environment)] == [
        (Path("/local/7"), "$SLURM_TMPDIR"),
        (Path("/tmp"), "$TMPDIR"),
        (None, "the session folder"),
    ]


def test_what_the_user_named_is_the_only_choice() -> None:
    environment = {"SLURM_TMPDIR": "/local/7"}
    assert data(environment, "/data/prometheus") == [
        Location(Path("/data/prometheus"), "prometheus.data_dir")
    ]


@pytest.mark.parametrize("value", ["", "tmp", "./tmp"])
def test_a_variable_that_names_no_absolute_folder_counts_for_nothing(value: str) -> None:
    assert data({"SLURM_TMPDIR": value, "TMPDIR": value, "SLURM_JOB_ID": "7"}) == [IN_SESSION]


def test_the_folder_in_scratch_is_unique_to_user_and_session() -> None:
    environment = {"SLURM_TMPDIR": "/local"}
    (first, _), (second, _) = data(environment), data(environment, session=Path("/home/u/bench01"))
    assert first.folder.parent.parent == second.folder.parent.parent == Path("/local/monitord-1000")
    assert first.folder.name == "data"
    assert first.folder.parent.name.startswith("bench01-")
    assert len(first.folder.parent.name) == len("bench01-") + 8
    assert first.folder != second.folder
    assert data(environment) == [first, IN_SESSION]


def test_the_run_folder_prefers_this_machines_own_file_systems() -> None:
    environment = {"SLURM_TMPDIR": "/local/7", "TMPDIR": "/shared/tmp", "XDG_RUNTIME_DIR": "/run/user/1000"}
    kinds = {"/shared": "lustre"}
    assert run(environment, kinds) == ["/local/7", "/tmp", "/shared/tmp", str(SESSION / "prometheus/run")]
    assert run({}, kinds) == ["/tmp", str(SESSION / "prometheus/run")]


def test_data_on_a_network_file_system_are_warned_of() -> None:
    warning = network_warning(Path("/shared/data"), "lustre") or ""
    assert "/shared/data is on lustre" in warning
    assert "set prometheus.data_dir" in warning
    assert network_warning(Path("/data"), "xfs") is None


@given(st.integers(0, 2**60), st.integers(0, 2**60))
def test_data_leave_a_fifth_of_the_room_and_are_always_limited(free: int, held: int) -> None:
    limit = retention_bytes(None, free, held)
    assert limit >= 1
    assert limit <= max(1, free + held)
    assert abs(limit - 0.8 * (free + held)) <= max(1, 1e-9 * (free + held))
    assert retention_bytes(None, free, held + 10) >= limit


def test_a_limit_that_is_set_is_kept() -> None:
    assert retention_bytes(5, 10**12, 0) == 5
