"""Registering and withdrawing clients and services, without a command line."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

from monitord.client.drop_files import drop, remove
from monitord.client.registrations import (
    connect_client,
    disconnect_client,
    register_service,
    unregister_service,
)
from monitord.documents.strict_yaml import read_document
from monitord.errors import InvalidInputError
from monitord.session.folder import Session

URL = "http://mel0042:8000/metrics"


def content(session: Session, name: str) -> Any:
    return read_document((session.targets / name).read_bytes()).value


def names(session: Session) -> list[str]:
    return sorted(path.name for path in session.targets.iterdir())


def test_a_client_is_a_target_file_of_what_was_given(session: Session) -> None:
    file = connect_client(
        session, "c1", node="mel0042", exporters={"node": "9100"}, labels={"run": "1.10"}, lease="10m"
    )
    assert file == session.targets / "c1.yaml"
    assert content(session, "c1.yaml") == {
        "client": "c1", "node": "mel0042", "exporters": {"node": "9100"}, "labels": {"run": "1.10"},
        "lease": "10m",
    }  # fmt: skip


def test_without_a_node_the_file_records_this_host(session: Session) -> None:
    connect_client(session, "c1")
    assert content(session, "c1.yaml") == {"client": "c1", "host": socket.gethostname()}


@pytest.mark.parametrize(("given", "expected"), [(None, "7"), ("8", "8")])
def test_a_service_ends_with_the_slurm_job_of_its_client(
    session: Session, given: str | None, expected: str
) -> None:
    connect_client(session, "c1", node="mel0042", slurm_job="7")
    assert register_service(session, "c1", "web", URL, slurm_job=given).name == "c1+web.yaml"
    assert str(content(session, "c1+web.yaml")["slurm_job"]) == expected


@pytest.mark.parametrize("damaged", [b"", b"[", b"a: b: c", b"\xff"])
def test_a_damaged_file_of_the_client_does_not_keep_its_services_away(
    session: Session, damaged: bytes
) -> None:
    (session.targets / "c1.yaml").write_bytes(damaged)
    register_service(session, "c1", "web", URL)
    assert "slurm_job" not in content(session, "c1+web.yaml")


def test_what_the_daemon_would_refuse_is_not_dropped(session: Session) -> None:
    with pytest.raises(InvalidInputError, match=r"^services\[0\].endpoint: .* is not an http or https URL"):
        register_service(session, "c1", "web", "ftp://h/x")
    with pytest.raises(InvalidInputError, match="is not a valid client name"):
        connect_client(session, "../c1")
    assert names(session) == []


def test_a_client_is_withdrawn_with_its_own_services_alone(session: Session) -> None:
    for client in ("c1", "c10"):
        connect_client(session, client)
        register_service(session, client, "web", URL)
    assert [file.name for file in disconnect_client(session, "c1")] == ["c1.yaml", "c1+web.yaml"]
    assert names(session) == ["c10+web.yaml", "c10.yaml"]
    with pytest.raises(InvalidInputError, match="client c1 has registered nothing in session s"):
        disconnect_client(session, "c1")


def test_a_service_is_withdrawn_by_itself(session: Session) -> None:
    connect_client(session, "c1")
    file = register_service(session, "c1", "web", URL)
    assert unregister_service(session, "c1", "web") == file
    assert names(session) == ["c1.yaml"]
    with pytest.raises(InvalidInputError, match="service web of client c1 is not registered"):
        unregister_service(session, "c1", "web")


def test_a_file_that_cannot_be_written_is_an_input_error(session: Session) -> None:
    (session.targets / "c1.yaml").mkdir()
    with pytest.raises(InvalidInputError, match=r"cannot write .*c1.yaml: Is a directory"):
        drop(session, session.targets / "c1.yaml", b"")
    with pytest.raises(InvalidInputError, match=r"cannot remove .*c1.yaml"):
        remove(session.targets / "c1.yaml")


def test_a_rewritten_file_has_a_new_time(session: Session) -> None:
    file = drop(session, session.targets / "c1.yaml", b"a")
    os.utime(file, ns=(1, 1))
    assert drop(session, file, b"a").stat().st_mtime_ns == 1
    assert drop(session, file, b"a", rewrite=True).stat().st_mtime_ns > 1


def test_a_file_that_another_client_replaced_stays(session: Session) -> None:
    file = drop(session, session.targets / "c1.yaml", b"theirs")
    assert not remove(file, b"ours")
    assert file.exists()
    assert remove(file, b"theirs")
    assert not remove(file)
