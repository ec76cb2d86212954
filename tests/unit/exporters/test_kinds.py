"""Which program serves a kind, and how it is called."""

from __future__ import annotations

import pytest

from monitord.errors import InvalidInputError
from monitord.exporters.kinds import KINDS, MissingProgramError, arguments, find_program, read_kinds

NOTHING: dict[str, str] = {}
EVERYTHING = {
    "prometheus-node-exporter": "/usr/bin/prometheus-node-exporter",
    "apptainer": "/usr/bin/apptainer",
}


def test_the_host_s_program_comes_before_an_image() -> None:
    found = find_program(KINDS["node"], {"node": "/img/node.sif"}, EVERYTHING.get, "/run/x")
    assert found == ("/usr/bin/prometheus-node-exporter",)


def test_an_image_is_run_where_the_host_has_no_program() -> None:
    found = find_program(KINDS["dcgm"], {"dcgm": "/img/dcgm.sif"}, EVERYTHING.get, "/run/x")
    assert found == ("/usr/bin/apptainer", "run", "--nv", "--bind", "/proc,/sys", "/img/dcgm.sif")


def test_an_image_sees_the_configuration_that_it_is_given() -> None:
    found = find_program(KINDS["process"], {"process": "/img/p.sif"}, EVERYTHING.get, "/run/x")
    assert found == ("/usr/bin/apptainer", "run", "--bind", "/proc,/sys,/run/x", "/img/p.sif")
    assert arguments(KINDS["process"], "", 9256, "/run/x/process.yaml") == (
        "--web.listen-address=:9256",
        "--config.path=/run/x/process.yaml",
    )


def test_nothing_to_run_says_what_was_looked_for() -> None:
    with pytest.raises(MissingProgramError, match=r"no dcgm-exporter in \$PATH; .* --image dcgm=IMAGE"):
        find_program(KINDS["dcgm"], {}, EVERYTHING.get, "/run/x")
    with pytest.raises(MissingProgramError, match=r"no apptainer or singularity to run /img/dcgm\.sif"):
        find_program(KINDS["dcgm"], {"dcgm": "/img/dcgm.sif"}, NOTHING.get, "/run/x")


def test_ipv6_addresses_are_bracketed() -> None:
    assert arguments(KINDS["dcgm"], "::1", 9400, "") == ("--address=[::1]:9400",)
    assert arguments(KINDS["node"], "mel0042", 9100, "") == ("--web.listen-address=mel0042:9100",)


def test_kinds_are_read_once_each_in_their_order() -> None:
    assert [kind.name for kind in read_kinds("process, node,process,")] == ["process", "node"]


@pytest.mark.parametrize("text", ["", " , ", "node,gpu"])
def test_unknown_kinds_are_refused_with_those_that_there_are(text: str) -> None:
    with pytest.raises(InvalidInputError, match="known kinds: node, dcgm, process"):
        read_kinds(text)
