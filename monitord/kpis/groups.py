"""Groups: the series that are measured together, by the labels that scopes are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Group(NamedTuple):
    """The series of one target (and GPU) taken together; a label it does not have is empty."""

    job: str = ""
    instance: str = ""
    client: str = ""
    service: str = ""
    node: str = ""
    gpu: str = ""


def group_of(labels: Mapping[str, str]) -> Group:
    label = (
        labels.get
    )  # written out because it is called for each series of each step: a loop takes twice as long
    return Group(
        label("job", ""), label("instance", ""), label("client", ""),
        label("service", ""), label("node", ""), label("gpu", ""),
    )  # fmt: skip
