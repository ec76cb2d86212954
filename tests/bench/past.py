"""A session whose past is made up: targets on some nodes, and what each of them said at every scrape.

The services and their metrics are those of the recorded expositions that the packs are tested with.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, product
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from monitord.session.folder import Session
from monitord.targets.parse import parse
from monitord.targets.registry import Registry, Seen, update
from monitord.targets.resolve import Place
from monitord.windows.model import Window
from tests.bench.session import created_session
from tests.fakes.backfill import write_block

EXPOSITIONS = Path(__file__).parents[1] / "expositions"
SERVICES = ("vllm", "qdrant", "postgres", "minio")  # what answers questions from documents, on each node
EXPORTERS = ("dcgm", "lustre", "node")
MODES = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
INTERVAL = 5.0
OWN_SERIES = 3  # that Prometheus adds to each target, of those in `exposed`
START = 1_760_004_000.0  # where a block of two hours begins

Values = Callable[[int], float]


@dataclass(frozen=True)
class Past:
    """So many series on so many nodes, all scraped at every interval of a window.

    With `plain`, each node has one small web service and nothing else, and raw samples are not kept.
    """

    nodes: int
    series: int
    scrapes: int
    plain: bool = False

    @property
    def window(self) -> Window:
        return Window("past", START, START + self.scrapes * INTERVAL)

    @property
    def samples(self) -> int:
        return self.series * self.scrapes

    def session(self, root: Path) -> Session:
        """Create a session with the targets, as its daemon would have left it."""
        settings = {"scrape_interval": f"{INTERVAL:g}s", "windows__samples": not self.plain}
        session = created_session(root, "past", **settings)
        session.prometheus_config.write_text("scrape_configs: []\n")
        for number in range(self.nodes):
            (session.targets / f"client{number}.yaml").write_text(
                _plain_file(number) if self.plain else _target_file(number)
            )
        return session

    def block(self, session: Session, folder: Path) -> Path:
        """Write all samples into a new data folder below this one; return it."""
        return write_block(folder, self.lines(registry_of(session)))

    def lines(self, registry: Registry) -> Iterator[str]:
        """Yield all samples in OpenMetrics' text, series by series."""
        for registration in registry.in_force().values():
            # node_exporter comes last: it has enough to say to make up the number.
            endpoints = sorted(registration.endpoints, key=lambda endpoint: endpoint.labels["job"] == "node")
            of_node = [
                (number, endpoint.labels, *each)
                for number, endpoint in enumerate(endpoints)
                for each in exposed(endpoint.labels["job"])
            ]
            kept = of_node[: self.series // self.nodes]
            scraped = Counter(number for number, *_ in kept)
            for number, target, name, labels, values in kept:
                text = ",".join(f"{key}={json.dumps(value)}" for key, value in {**labels, **target}.items())
                # Targets are scraped at times of their own, never twice at the same distance.
                first = START + (0.1 + number / len(endpoints)) * INTERVAL * 0.8
                count = scraped[number] - OWN_SERIES if name == "scrape_samples_scraped" else None
                for scrape in range(self.scrapes):
                    value = values(scrape) if count is None else count
                    time = first + scrape * INTERVAL + scrape * 7 % 11 / 1000
                    yield f"{name}{{{text}}} {value} {time:.3f}"


def registry_of(session: Session) -> Registry:
    """Return the registry of all target files, in force since before the window."""
    seen = [
        Seen(file.name, 0.0, parse(file.read_bytes(), file.name, session.name, Place("login1")))
        for file in sorted(session.targets.glob("*.yaml"))
    ]
    return update(Registry(), seen, (), frozenset(), now=0.0)[0]


def exposed(job: str) -> Iterator[tuple[str, Mapping[str, str], Values]]:
    """Yield what a target says of itself: metric, labels, and the value at each scrape."""
    # What Prometheus adds to every target.
    yield "up", {}, lambda _: 1
    yield "scrape_duration_seconds", {}, lambda scrape: 0.004 + scrape % 7 / 1000
    yield "scrape_samples_scraped", {}, lambda _: 0  # see `lines`
    if job == "web":
        yield from _web()
        return
    if job == "node":
        for cpu, mode in product(range(64), MODES):
            yield "node_cpu_seconds_total", {"cpu": str(cpu), "mode": mode}, _growing(0.125 * (cpu + 1))
        return
    text = (EXPOSITIONS / f"{job}.prom").read_text()
    for family in text_string_to_metric_families(text):
        for each in family.samples:
            grows = family.type in {"counter", "histogram"}
            # The parser gives every counter the name that OpenMetrics would.
            name = each.name if each.name in text else each.name.removesuffix("_total")
            yield name, each.labels, (_growing if grows else _wavering)(float(each.value))


def _web() -> Iterator[tuple[str, Mapping[str, str], Values]]:
    for code in ("200", "500"):
        yield "http_requests_total", {"code": code}, _growing(40.0)
    name = "http_server_request_duration_seconds"
    for below, bound in enumerate(("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "1", "+Inf")):
        yield f"{name}_bucket", {"le": bound}, _growing(5.0 * (below + 1))
    yield f"{name}_count", {}, _growing(40.0)
    yield f"{name}_sum", {}, _growing(1.5)


def _growing(value: float) -> Values:
    return (lambda scrape: int(value) * scrape) if value.is_integer() else lambda scrape: value * scrape


def _wavering(value: float) -> Values:
    return lambda scrape: value * (1 + 0.2 * math.sin(scrape / 9))


def _plain_file(number: int) -> str:
    services = [{"name": "web", "endpoint": f"http://localhost:{1024 + number}/metrics"}]
    return json.dumps({"node": f"mel{number % 500:04}", "services": services})


def _target_file(number: int) -> str:
    ports = count(9000)
    return json.dumps(
        {
            "node": f"mel{number:04}",
            "services": [
                {"name": name, "endpoint": f"http://localhost:{next(ports)}/metrics"} for name in SERVICES
            ],
            "exporters": {name: next(ports) for name in EXPORTERS},
        }
    )
