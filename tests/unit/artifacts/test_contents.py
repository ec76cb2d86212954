"""What stands in the files of a window, and in its manifest."""

import csv
import json
from dataclasses import replace

import pytest

from monitord.artifacts.contents import window_files
from monitord.artifacts.formats import cell
from monitord.artifacts.manifest import Provenance, has_data, manifest, public_url, reasons_of, renewed
from monitord.collect.collect import collect
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.recipes.load import load_recipes
from monitord.windows.model import Window
from tests.fakes.sample_client import SampleClient, stored

LABELS = {"job": "t", "instance": "n1:1", "client": "c,1", "service": "t", "node": "n1"}


@pytest.fixture
def collection() -> CollectedWindow:
    target = ExpectedTarget("http://user:pass@n1:1/metrics?token=x", LABELS, 5.0)
    window = Window("run01", 1_000_000.0, 1_000_100.5, {"model": "llama"})
    request = CollectionRequest("s", window, (target,), 5.0, 0.95, load_recipes())
    name, scrapes = "http_server_request_duration_seconds", [1_000_002.0 + 5 * k for k in range(-3, 23)]
    counted = {time: float(round(time - 999_000)) for time in scrapes}  # one each second
    observed = {time: 0.95 * count for time, count in counted.items()}
    client = SampleClient([
        stored(LABELS, f"{name}_count", counted), stored(LABELS, f"{name}_sum", observed),
        stored(LABELS, f"{name}_bucket", dict.fromkeys(scrapes, 0.0), le="0.9"),
        stored(LABELS, f"{name}_bucket", counted, le="1"),
        stored(LABELS, f"{name}_bucket", counted, le="+Inf"),
    ])  # fmt: skip
    times = iter([1_000_130.0] + [1_000_131.0] * 100)
    return collect(request, client, now=lambda: next(times))


def test_the_summary_has_the_columns_of_the_contract(collection: CollectedWindow) -> None:
    files = window_files(collection, {"prometheus.yml": b"x"})
    header, *lines = files["metrics_summary.csv"].decode().splitlines()
    assert header == (
        "run_id,kpi,stat,value,unit,scope,client,service,node,gpu,n,bucket_lo,bucket_hi,"
        "coverage,status,reason,value_lo,value_hi"
    )
    rows = list(csv.DictReader([header, *lines]))
    absent = next(row for row in rows if row["kpi"] == "gpu_util")
    assert (absent["run_id"], absent["value"], absent["status"]) == ("run01", "", "no_data")
    p99 = next(row for row in rows if row["stat"] == "p99" and row["scope"] == "client")
    assert (p99["client"], p99["bucket_hi"]) == ("c,1", "1000.0")
    assert float(p99["value"]) == pytest.approx(999)
    assert (p99["value_lo"], p99["value_hi"], p99["n"]) == ("900.0", "1000.0", "100")
    sessions = {(row["kpi"], row["stat"]) for row in rows if row["scope"] == "session"}
    assert len(sessions) == 11
    assert files["inputs/prometheus.yml"] == b"x"


def test_json_says_the_same_as_csv(collection: CollectedWindow) -> None:
    files = window_files(collection, {})
    summary = json.loads(files["metrics_summary.json"], parse_constant=pytest.fail)
    rows = list(csv.DictReader(files["metrics_summary.csv"].decode().splitlines()))
    assert len(rows) == len(summary["rows"])
    for written, row in zip(rows, summary["rows"], strict=True):
        assert written == {name: cell(value) for name, value in row.items()}
    assert summary["kpis"]["latency"]["unit"] == "ms"
    p99 = next(row for row in summary["rows"] if row["stat"] == "p99")
    assert (p99["value_lo"], p99["value_hi"]) == (900, 1000)


def test_coverage_and_queries(collection: CollectedWindow) -> None:
    files = window_files(collection, {})
    assert files["coverage.csv"].decode() == (
        "job,instance,client,service,node,expected_scrapes,scrapes,up_ratio,longest_gap_s,resets,"
        "first_seen,last_seen,not_made,failed,error\n"
        't,n1:1,"c,1",t,n1,20,20,1.0,5.0,0,1970-01-12T13:46:42.000Z,1970-01-12T13:48:17.000Z,0,0,\n'
    )
    written = json.loads(files["queries.json"])
    assert next(query for query in written["queries"] if query["use"] == "samples") == {
        "use": "samples",
        "promql": '{session="s",job="t",instance=~"n1:1"}[130500ms]',
        "kind": "instant",
        "at": "1970-01-12T13:48:35.500Z",
        "series": 7,
        "seconds": 0.0,
        "warnings": [],
        "error": None,
    }
    assert written["kpis"]["latency"]["at"] == "1970-01-12T13:48:20.500Z"
    assert written["kpis"]["latency"]["promql"]["mean"].endswith(
        'sum(increase(http_server_request_duration_seconds_count{session="s"}[100500ms]))'
    )


def test_the_manifest(collection: CollectedWindow) -> None:
    found = manifest(
        collection,
        Provenance("0.1", "3.11", {"name": "h"}, {"version": "2.42.0"}, markers={"run01.stop": 17 * 10**17}),
    )
    json.dumps(found, allow_nan=False)
    assert found["schema"] == "monitord/manifest/v1"
    assert found["window"] == {
        "id": "run01",
        "from": "1970-01-12T13:46:40.000Z",
        "to": "1970-01-12T13:48:20.500Z",
        "seconds": 100.5,
        "warmup_seconds": 0.0,
        "cooldown_seconds": 0.0,
        "measured": {"from": "1970-01-12T13:46:40.000Z", "to": "1970-01-12T13:48:20.500Z"},
        "labels": {"model": "llama"},
        "slo": [],
    }
    assert (found["status"], found["reasons"], found["slurm"]) == ("complete", [], None)
    assert found["coverage"] == {"overall": 1.0, "worst": 1.0, "outages": []}
    assert found["markers"] == {"run01.stop": 17 * 10**17}
    (target,) = found["targets"]
    assert (target["url"], target["labels"], target["coverage"]) == ("http://n1:1/metrics", LABELS, 1)
    assert "pass" not in json.dumps(found)
    assert "token" not in json.dumps(found)


def test_artifacts_that_are_kept_answer_the_later_request_and_say_so(collection: CollectedWindow) -> None:
    provenance = Provenance("0.1", "3.11", {}, {}, markers={"run01.yaml": 2})
    told = {**manifest(collection, provenance), "status": "failed"}
    earlier = {**manifest(collection, replace(provenance, markers={"run01.yaml": 1})), "files": ["a"]}
    assert has_data(earlier)
    assert not has_data(told)
    kept = renewed(earlier, told, 1_000_000.0)
    assert kept is not None
    assert kept == {**earlier, "markers": {"run01.yaml": 2}, "kept": kept["kept"]}
    [reason] = reasons_of(kept)
    assert reason.startswith("artifacts_kept: collected again at 1970-01-12T13:46:40.000Z")
    for key, other in (("from", "1970-01-01T00:00:00.000Z"), ("labels", {}), ("slo", ["latency.p99 < 1 s"])):
        assert renewed({**earlier, "window": {**told["window"], key: other}}, told, 0.0) is None


def test_a_url_is_shown_without_secrets() -> None:
    assert public_url("https://u:p@[::1]:9/a/b?c=d#e") == "https://[::1]:9/a/b"
