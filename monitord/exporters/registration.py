"""The target file by which a node's exporters are scraped. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitord.documents.strict_yaml import write_document
from monitord.targets.address import is_loopback


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a job: Slurm's name for it, its own, and the client that its exporters count for.

    `host` is where its exporters listen and are scraped; empty: on every address, by its own name.
    """

    slurm_job_id: str
    name: str
    hostname: str
    client: str
    host: str = ""

    @property
    def scraped_at(self) -> str:
        return self.host or self.hostname

    def address(self, port: int) -> str:
        """Write where an exporter is scraped."""
        return f"[{self.scraped_at}]:{port}" if ":" in self.scraped_at else f"{self.scraped_at}:{port}"

    def file_name(self) -> str:
        return f"exporters-{self.slurm_job_id}-{self.name}.yaml"

    def file_content(self, addresses: Mapping[str, str]) -> bytes:
        """Write the registration of these exporters, by their kind; it ends with the job."""
        # Loopback means the machine that the file was written on, which is `host:`; Slurm's name of a node
        # Slurm's would be taken for a host to scrape.
        where = {"host": self.hostname} if is_loopback(self.scraped_at) else {"node": self.name}
        return write_document(
            {
                "client": self.client,
                **where,
                "exporters": dict(sorted(addresses.items())),
                "slurm_job": self.slurm_job_id,
            }
        )


def files_pattern(slurm_job_id: str) -> str:
    """Return the pattern of the file names of all nodes of a job."""
    return f"exporters-{slurm_job_id}-*.yaml"
