"""Which names are read as target files, and which the command line gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.errors import InvalidInputError
from monitord.system.names import NAME_PATTERN
from monitord.targets.file_names import (
    client_file_name,
    is_service_file_of,
    is_target_file,
    service_file_name,
)


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "c1+web.yaml", "a+b c\n.yaml"])
def test_yaml_files_are_read(name: str) -> None:
    assert is_target_file(name)


@pytest.mark.parametrize(
    "name",
    [
        ".a.yaml",
        "a.yaml~",
        "a.tmp",
        "a.yaml.tmp",
        "a.swp",
        ".a.yaml.swp",
        "a",
        "a.json",
        "yaml",
        ".yaml",
        "a.YAML",
    ],
)
def test_hidden_temporary_and_other_files_are_not(name: str) -> None:
    assert not is_target_file(name)


names = st.from_regex(NAME_PATTERN, fullmatch=True)


@given(names, names, names)
def test_no_two_services_share_a_file(client: str, service: str, other: str) -> None:
    assert (service_file_name(client, service) == service_file_name(client, other)) == (service == other)
    assert service_file_name(client, service) != client_file_name(client)
    assert is_target_file(service_file_name(client, service))
    assert is_service_file_of(client, service_file_name(client, service))
    assert not is_service_file_of(client, client_file_name(client))


@pytest.mark.parametrize("bad", ["../c", "a+b", ""])
def test_a_bad_name_makes_no_path(bad: str) -> None:
    with pytest.raises(InvalidInputError):
        client_file_name(bad)
    with pytest.raises(InvalidInputError):
        service_file_name("c1", bad)
