"""The summary that each real Prometheus gave, derived again from the Parquet files alone."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitord.artifacts import store
from monitord.artifacts.collected_files import CollectedFiles, collect_into_files
from monitord.artifacts.contents import window_files
from monitord.artifacts.derive import derive
from monitord.artifacts.manifest import Provenance, manifest
from monitord.artifacts.verify import verify_files
from monitord.cli import execute
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.timeseries import COLUMNS
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.version import has_left_open_ranges
from monitord.recipes.load import check_recipe, load_recipes, packaged_folder
from monitord.windows.model import Reported, Window
from tests.fakes.backfill import write_block
from tests.fakes.guard import permit

pytestmark = pytest.mark.real

SECONDS, STEP = 300, 5
OWN = b"""\
name: own
help: what the packaged ones leave out
kpis:
  - {name: queue, help: h, unit: requests, kind: gauge, metric: queue_length, stats: [mean, min, max],
     by: [client]}
  - {name: looks, help: h, unit: samples, kind: expr, stats: [value],
     expr: 'sum(count_over_time(queue_length{$selector}$window))'}
  - {name: nothing, help: h, unit: requests/s, kind: counter, metric: absent_total, stats: [mean]}
"""
BORN = range(103, SECONDS + 60, STEP)
SCRAPED: dict[str, Sequence[int]] = {
    "steady": range(-60, SECONDS + 60, STEP),
    "restarted": range(-58, SECONDS + 60, STEP),
    "gone for a while": (*range(-57, 100, STEP), *range(201, SECONDS + 60, STEP)),
    "born at zero": BORN,
    "born small": BORN,
    "born large": BORN,
    "ended": range(-59, 200, STEP),
    "=once()": (150,),  # as a spreadsheet would read a formula
}
# Zero was later than half an interval before the first sample, or earlier, or long ago.
ZERO_AT = {"restarted": 151, "born at zero": 103, "born small": 99, "born large": -1000}
BOUNDS = {"0.005": 0.1, "0.05": 0.6, "0.25": 0.95, "1.0": 0.99, "+Inf": 1.0}


def labels_of(client: str) -> dict[str, str]:
    return {"job": "web", "instance": f"{client}:1", "client": client, "service": "web", "node": client}


def lines_of(client: str, start: float) -> Iterator[str]:
    text = ",".join(f'{key}="{value}"' for key, value in {**labels_of(client), "session": "s"}.items())
    for second in SCRAPED[client]:
        zero = ZERO_AT.get(client, -100)
        now, count = f"{start + second:.3f}", 7.0 * (second - (zero if second >= zero else -200))
        yield f"up{{{text}}} 1 {now}"
        yield f'http_requests_total{{{text},code="200"}} {count} {now}'
        yield f'http_requests_total{{{text},code="500"}} {count / 3} {now}'
        for le, share in BOUNDS.items():
            yield f'http_server_request_duration_seconds_bucket{{{text},le="{le}"}} {count * share} {now}'
        yield f"http_server_request_duration_seconds_count{{{text}}} {count} {now}"
        yield f"http_server_request_duration_seconds_sum{{{text}}} {count * 0.1} {now}"
        yield f"queue_length{{{text}}} {'NaN' if second % 100 == 40 else second / 7} {now}"
        for mode, share in (("idle", 0.7), ("user", 0.3)):
            yield f'node_cpu_seconds_total{{{text},cpu="0",mode="{mode}"}} {(second + 500) * share} {now}'


@pytest.fixture(scope="module")
def start() -> float:
    return math.floor(time.time()) - 3600 + 0.1236  # which is no whole millisecond


@pytest.fixture(scope="module")
def block(tmp_path_factory: pytest.TempPathFactory, start: float) -> Path:
    lines = sorted(
        (line for client in SCRAPED for line in lines_of(client, start)), key=lambda line: line.split()[-1]
    )
    return write_block(tmp_path_factory.mktemp("block"), lines)


def collected(client: PrometheusClient, start: float, version: str, folder: Path) -> CollectedFiles:
    targets = tuple(
        ExpectedTarget(f"http://{name}:1/metrics", labels_of(name), STEP)
        for name in (*SCRAPED, "never there")
    )
    window = Window("w", start, start + SECONDS, reported={"tokens": Reported(5.0)})
    recipes = (*load_recipes(), check_recipe(OWN))
    return collect_into_files(
        CollectionRequest("s", window, targets, STEP, 0.95, recipes, left_open=has_left_open_ranges(version)),
        client, folder,
    )  # fmt: skip


@pytest.fixture
def folder(client: PrometheusClient, start: float, tmp_path: Path) -> Path:
    version = client.build_info()["version"]
    collection, samples, rows = collected(client, start, version, tmp_path)
    inputs = {f"recipes/{file.name}": file.read_bytes() for file in packaged_folder().glob("*.yaml")}
    inputs["recipes/own.yaml"] = OWN
    provenance = Provenance("1", "3", {}, {"version": version, "scrape_interval_seconds": STEP})
    return store.publish(
        tmp_path, "w", {**window_files(collection, inputs), **samples},
        manifest(collection, provenance), rows=rows, permit=permit(),
    )  # fmt: skip


def test_every_row_and_point_is_derived_again(folder: Path) -> None:
    assert verify_files(folder) == []
    assert ",'=once()," in (folder / "metrics_summary.csv").read_text()
    derivation = derive(folder)
    assert derivation.differences == ()
    assert derivation.rows > 50
    assert derivation.points > 1000
    assert derivation.notes == ("only a Prometheus can evaluate: looks",)


def test_a_number_that_the_samples_do_not_give_is_named(folder: Path) -> None:
    summary = folder / "metrics_summary.csv"
    changed, times = re.subn(
        r"(w,throughput,mean,)([0-9.]+)(,requests/s,session)", r"\g<1>1\2\3", summary.read_text()
    )
    assert times == 1
    summary.write_text(changed)
    (difference,) = derive(folder).differences
    assert str(difference).startswith("metrics_summary.csv: throughput mean session: value is 1")


def test_a_point_that_the_samples_do_not_give_is_named(folder: Path) -> None:
    file = folder / "timeseries.csv"
    first, *others = file.read_text().splitlines()[1:]
    file.write_text("\n".join([",".join(COLUMNS), f"{first.rpartition(',')[0]},12345.0", *others[1:]]))
    found = [str(difference) for difference in derive(folder).differences]
    assert len(found) == 2
    assert all(text.startswith("timeseries.csv: throughput mean session ") for text in found)
    assert sum("value is 12345.0, the samples give" in text for text in found) == 1
    assert sum("has no row, but the samples give one" in text for text in found) == 1


def test_a_series_that_the_samples_do_not_give_so_is_named(folder: Path) -> None:
    file = folder / "series_summary.parquet"
    rows = pq.ParquetFile(file).read()
    place = rows["metric"].to_pylist().index("queue_length")
    means = rows["mean"].to_pylist()
    means[place] += 1
    changed = rows.set_column(rows.schema.get_field_index("mean"), "mean", pa.array(means))
    pq.write_table(changed.slice(0, rows.num_rows - 1), file)
    found = sorted(str(difference) for difference in derive(folder).differences)
    assert len(found) == 2
    assert any(re.search(r"queue_length .*: mean is .*, the samples give", text) for text in found)
    assert any("has no row, but the samples give one" in text for text in found)


def test_the_command_says_what_was_derived(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["verify", str(folder)]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.search(r"recomputed \d+ rows and \d+ points over time", shown.err)
    assert "only a Prometheus can evaluate: looks" in shown.err
