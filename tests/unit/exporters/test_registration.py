"""The target file of a node's exporters, as the daemon reads it."""

from __future__ import annotations

import fnmatch

import pytest

from monitord.exporters.registration import Node, files_pattern
from monitord.targets.parse import parse
from monitord.targets.resolve import Place


def endpoints(node: Node, place: Place) -> list[tuple[str, str, str, str]]:
    addresses = {"node": node.address(41000), "dcgm": node.address(41001)}
    registration = parse(node.file_content(addresses), node.file_name(), "bench", place)
    assert registration.slurm_job_id == node.slurm_job_id
    return [
        (each.labels["job"], each.url, each.labels["node"], each.labels["client"])
        for each in registration.endpoints
    ]


@pytest.mark.parametrize("hostname", ["mel0042", "mel0042.cluster.example"])
def test_exporters_are_scraped_by_their_node_s_name(hostname: str) -> None:
    node = Node("7", "mel0042", hostname, "c1")
    assert endpoints(node, Place("mel0001", under_slurm=True)) == [
        ("dcgm", f"http://{hostname}:41001/metrics", "mel0042", "c1"),
        ("node", f"http://{hostname}:41000/metrics", "mel0042", "c1"),
    ]


def test_a_host_of_its_own_is_scraped_instead() -> None:
    node = Node("7", "mel0042", "mel0042", "c1", "fd00::42")
    found = endpoints(node, Place("mel0001", under_slurm=True))
    assert [url for _, url, _, _ in found] == [f"http://[fd00::42]:{port}/metrics" for port in (41001, 41000)]


def test_loopback_is_scraped_by_a_daemon_on_the_same_machine() -> None:
    node = Node("7", "n1", "vm", "c1", "127.0.0.1")
    found = endpoints(node, Place("vm"))
    assert {url for _, url, _, _ in found} == {f"http://127.0.0.1:{port}/metrics" for port in (41000, 41001)}


def test_a_job_s_files_are_those_of_no_other_job() -> None:
    names = [Node(job, "n-1", "n", "c").file_name() for job in ("7", "77", "7_1", "17")]
    assert fnmatch.filter(names, files_pattern("7")) == [names[0]]
    assert fnmatch.filter(names, files_pattern("7_1")) == [names[2]]
