"""The same by command line: what is printed where, what is dropped, and the exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monitord import __version__
from monitord.cli import COMMANDS
from monitord.system.timestamps import to_iso
from tests.conftest import wait_until
from tests.e2e.conftest import Bench, benches, refused
from tests.fakes.exporter import FakeExporter, counter

pytestmark = pytest.mark.real

ESCAPE = "\x1b"


@pytest.fixture(scope="module")
def service() -> Iterator[FakeExporter]:
    with FakeExporter() as running:
        running.expose(counter("http_requests_total", 7.0))
        yield running


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, service: FakeExporter) -> Iterator[Bench]:
    """A session whose daemon was started, and whose clients were registered, by command line."""
    with benches(tmp_path_factory.mktemp("command-line")) as found:
        started = found.monitord("start", "--local", "-s", "bench")
        assert started.stdout == f"{found.daemon['prometheus']['url']}\n"
        try:
            found.monitord("client-connect", "-s", "bench", "--client-id", "c1",
                           "--node-exporter", service.address, "--label", "run=warm")  # fmt: skip
            found.monitord("service-register", "-s", "bench", "--client-id", "c1", "--name", "web",
                           "--endpoint", service.url, "--label", "model=llama3-8b")  # fmt: skip
            found.monitord("wait", "-s", "bench", "--for", "target=c1.yaml")
            found.monitord("wait", "-s", "bench", "--for", "target=c1+web.yaml")
            yield found
        finally:
            found.monitord("stop", "-s", "bench", code=None)


def test_session_create_prints_the_folder(bench: Bench) -> None:
    ran = bench.monitord("session-create", "--run-id", "other", "--prom-host", "127.0.0.1", "--port", "0",
                         "--scrape-interval", "2s", "--root", bench.root / "elsewhere")  # fmt: skip
    folder = bench.root / "elsewhere" / "other"
    assert ran.stdout == f"{folder}\n"
    assert "monitord start" in ran.stderr
    assert {path.name for path in folder.iterdir()} == {
        "session.yaml", "targets", "windows", "status", "artifacts", "prometheus", "logs", "schemas"
    }  # fmt: skip
    assert "scrape_interval: 2s" in (folder / "session.yaml").read_text()


def test_session_create_names_a_session_itself(bench: Bench) -> None:
    ran = bench.monitord("session-create", "--root", bench.root / "unnamed")
    assert Path(ran.stdout.strip()).name.startswith("session-")


def test_a_session_is_created_once(bench: Bench) -> None:
    ran = bench.monitord("session-create", "--run-id", "bench", code=1)
    assert "exists already" in ran.stderr
    assert not ran.stdout


def test_an_unknown_session_is_told_with_those_that_exist(bench: Bench) -> None:
    ran = bench.monitord("status", "-s", "banch", code=1)
    assert "no session banch" in ran.stderr
    assert re.search("existing sessions: .*bench", ran.stderr)
    assert not ran.stdout


def test_start_refuses_a_session_that_runs(bench: Bench) -> None:
    ran = bench.monitord("start", "--local", "-s", "bench", code=3)
    assert f"pid {bench.daemon['pid']}" in ran.stderr


def test_a_second_daemon_refuses_and_names_the_first(bench: Bench) -> None:
    before = bench.daemon
    ran = bench.monitord("run", "-s", "bench", code=3)
    for fact in (f"host {before['host']}", f"pid {before['pid']}", f"since {before['started_at']}"):
        assert fact in ran.stderr
    assert bench.daemon["pid"] == before["pid"]
    assert len(bench.log("daemon.started")) == 1


def test_status_as_a_table(bench: Bench) -> None:
    ran = bench.monitord("status", "-s", "bench")
    assert re.search(rf"daemon +ready on {bench.daemon['host']}, pid {bench.daemon['pid']}", ran.stdout)
    assert re.search(rf"prometheus +running +{bench.daemon['prometheus']['url']}", ran.stdout)
    assert re.search(r"^c1\+web\.yaml +accepted +1 up$", ran.stdout, re.MULTILINE)
    assert not ran.stderr


def test_why_follows_a_target_through_the_session(bench: Bench, service: FakeExporter) -> None:
    ran = bench.monitord("why", "-s", "bench", "c1+web.yaml")
    steps = dict(re.findall(r"^(\w+(?: \w+)?)  +(ok|failed|pending|unknown) ", ran.stdout, re.MULTILINE))
    assert steps == dict.fromkeys(
        ("daemon", "seen", "parsed", "in force", "written", "scraped", "last error"), "ok"
    )
    assert ran.stdout.endswith("next: nothing to do: everything is up\n")
    for asked in (service.url, service.address, bench.session.targets / "c1+web.yaml"):
        answer = json.loads(bench.monitord("why", "-s", "bench", "-o", "json", asked).stdout)
        assert "c1+web.yaml" in {target["file"] for target in answer["targets"]}
        assert answer["up"]


def test_why_says_what_is_wrong_and_what_to_do(bench: Bench) -> None:
    good = "services: [{name: late, endpoint: 'http://127.0.0.1:9/metrics'}]\n"
    file = bench.drop("c7.yaml", good)

    def why() -> dict[str, Any]:
        ran = bench.monitord("why", "-s", "bench", "-o", "json", "c7.yaml", code=1)
        (answer,) = json.loads(ran.stdout)["targets"]
        return {**answer, **{step["step"]: step["outcome"] for step in answer["steps"]}}

    try:
        wait_until(lambda: why()["scraped"] == "failed", "c7.yaml to be down", 60)
        assert "curl http://127.0.0.1:9/metrics" in why()["next"]
        bench.drop("c7.yaml", f"{good}clinet: c7\n")
        wait_until(lambda: why()["parsed"] == "failed", "c7.yaml to be refused", 60)
        answer = why()
        assert answer["in force"] == "failed"
        assert answer["next"].startswith("correct c7.yaml:2:1: clinet: unknown key; did you mean client?")
    finally:
        file.unlink()
    wait_until(lambda: "deleted" in str(why()["steps"][1]), "c7.yaml to be withdrawn", 60)


def test_status_as_json_names_the_password_file_that_works(bench: Bench) -> None:
    seen = json.loads(bench.monitord("status", "-s", "bench", "-o", "json").stdout)
    assert seen["session"] == "bench"
    assert (seen["daemon"]["running"], seen["daemon"]["phase"]) == (True, "ready")
    assert {target["file"] for target in seen["targets"]} >= {"c1.yaml", "c1+web.yaml"}
    prometheus = seen["prometheus"]
    assert Path(prometheus["password_file"]).stat().st_mode & 0o777 == 0o600
    password = Path(prometheus["password_file"]).read_text().strip()
    assert refused(bench, "") == 401
    assert len(bench.ask("/api/v1/targets", password)["data"]["activeTargets"]) >= 2


def test_the_registrations_are_target_files(bench: Bench, service: FakeExporter) -> None:
    (endpoint,) = bench.target("c1+web.yaml")["endpoints"]
    assert endpoint["labels"] == {
        "job": "web", "instance": service.address, "session": "bench", "client": "c1",
        "node": bench.daemon["host"], "service": "web", "model": "llama3-8b",
    }  # fmt: skip
    (endpoint,) = bench.target("c1.yaml")["endpoints"]
    assert endpoint["labels"].items() >= {"job": "node", "client": "c1", "run": "warm"}.items()


def test_what_cannot_be_registered_is_told_by_its_flag_and_not_dropped(bench: Bench) -> None:
    ran = bench.monitord("service-register", "-s", "bench", "--client-id", "c9", "--name", "web",
                         "--endpoint", "ftp://h/x", code=1)  # fmt: skip
    assert "endpoint" in ran.stderr
    assert "http" in ran.stderr
    bench.monitord("client-connect", "-s", "bench", "--client-id", "../c9", code=1)
    bench.monitord("client-connect", "-s", "bench", "--client-id", "c9", "--label", "__x=1", code=1)
    bench.monitord("client-connect", "-s", "bench", "--client-id", "c9", "--label", "x", code=2)
    assert not [path.name for path in bench.session.targets.iterdir() if "c9" in path.name]


def test_registrations_are_withdrawn(bench: Bench, service: FakeExporter) -> None:
    def register(name: str) -> Path:
        ran = bench.monitord("service-register", "-s", "bench", "--client-id", "c2", "--name", name,
                             "--endpoint", f"{service.url}?of={name}")  # fmt: skip
        return Path(ran.stdout.strip())

    bench.monitord("client-connect", "-s", "bench", "--client-id", "c2", "--node", "localhost")
    files = [register("one"), register("two")]
    assert all(file.exists() for file in files)
    wait_until(lambda: bench.target("c2+two.yaml").get("state") == "accepted", "c2+two.yaml", 30)
    ran = bench.monitord("service-unregister", "-s", "bench", "--client-id", "c2", "--name", "one")
    assert ran.stdout == f"{files[0]}\n"
    assert not files[0].exists()
    bench.monitord("client-disconnect", "-s", "bench", "--client-id", "c2")
    assert not list(bench.session.targets.glob("c2*"))
    wait_until(lambda: bench.target("c2+two.yaml")["state"] == "withdrawn", "c2+two.yaml to go", 30)
    bench.monitord("service-unregister", "-s", "bench", "--client-id", "c2", "--name", "one", code=1)
    bench.monitord("client-disconnect", "-s", "bench", "--client-id", "c2", code=1)
    assert bench.target("c1.yaml")["state"] == "accepted"


def test_wait_says_what_it_waits_for_and_ends_with_3(bench: Bench) -> None:
    bench.monitord("wait", "-s", "bench", "--for", "ready")
    ran = bench.monitord("wait", "-s", "bench", "--for", "target=none.yaml", "--timeout", "300ms", code=3)
    assert "no such file" in ran.stderr
    ran = bench.monitord("wait", "-s", "bench", "--for", "window=none", "--timeout", "300ms", code=3)
    assert "300ms" in ran.stderr
    bench.monitord("wait", "-s", "bench", "--for", "rain", code=2)


def test_wait_ends_with_1_when_the_file_was_refused(bench: Bench) -> None:
    file = bench.drop("refused.yaml", "servces: []\n")
    ran = bench.monitord("wait", "-s", "bench", "--for", "target=refused.yaml", code=1)
    assert "1:1: servces:" in ran.stderr
    file.unlink()


def test_wait_for_a_corrected_file_is_not_told_of_the_earlier_one(bench: Bench) -> None:
    file = bench.drop("wrong.yaml", "servces: []\n")
    wait_until(lambda: bench.target("wrong.yaml").get("state") == "refused", "the refusal", 30)
    answered = bench.session.target_status("wrong.yaml").read_bytes()
    file.unlink()
    wait_until(lambda: bench.target("wrong.yaml")["state"] == "withdrawn", "the withdrawal", 30)
    # As in the time between a correction and the daemon's next look, which is too short to be met.
    other = Bench(bench.root, "corrected")
    other.create()
    other.session.target_status("wrong.yaml").write_bytes(answered)
    other.drop("wrong.yaml", "exporters: {node: 9100}\n")
    ran = other.monitord(
        "wait", "-s", "corrected", "--for", "target=wrong.yaml", "--timeout", "300ms", code=3
    )
    assert "not seen by the daemon yet" in ran.stderr


def test_a_window_by_command(bench: Bench) -> None:
    ran = bench.monitord("window", "start", "-s", "bench", "--id", "w1", "--label", "batch=32")
    assert ran.stdout == f"{bench.session.windows / 'w1.start'}\n"
    bench.wait_window("w1", "open")
    again = bench.monitord("window", "start", "-s", "bench", "--id", "w1", code=1)
    assert "open already" in again.stderr
    bench.monitord("window", "stop", "-s", "bench", "--id", "w1")
    bench.monitord("wait", "-s", "bench", "--for", "window=w1")
    assert bench.manifest("w1")["window"]["labels"] == {"batch": "32"}
    listed = json.loads(bench.monitord("window", "list", "-s", "bench", "-o", "json").stdout)
    (found,) = (window for window in listed if window["id"] == "w1")
    assert (found["state"], found["artifacts"]) == ("done", str(bench.session.artifacts / "w1"))
    assert re.search(r"^w1 +done ", bench.monitord("window", "list", "-s", "bench").stdout, re.MULTILINE)


def test_a_cancelled_window_leaves_nothing(bench: Bench) -> None:
    bench.monitord("window", "start", "-s", "bench", "--id", "w2")
    bench.wait_window("w2", "open")
    bench.monitord("window", "cancel", "-s", "bench", "--id", "w2")
    assert bench.wait_window("w2")["state"] == "cancelled"
    assert not (bench.session.artifacts / "w2").exists()
    bench.monitord("wait", "-s", "bench", "--for", "window=w2", code=1)


def test_a_window_that_was_never_opened_cannot_be_closed(bench: Bench) -> None:
    for verb in ("stop", "cancel"):
        assert "never opened" in bench.monitord("window", verb, "-s", "bench", "--id", "w0", code=1).stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [(("true",), 0), (("sh", "-c", "exit 7"), 7), (("sh", "-c", "kill -TERM $$"), 143),
     (("no-such-command",), 127),
     (("/etc/passwd",), 126), (("sh", "-c", "kill -KILL $$"), 137),
     (("sh", "-c", "kill -INT $PPID; exit 9"), 9)],
)  # fmt: skip
def test_window_run_passes_the_exit_code_on(bench: Bench, command: tuple[str, ...], code: int) -> None:
    window_id = f"run-{code}"
    bench.monitord("window", "run", "-s", "bench", "--id", window_id, "--no-wait", "--", *command, code=code)
    assert (bench.session.windows / f"{window_id}.stop").exists()


def scraped_alone(bench: Bench) -> None:
    """Wait until Prometheus has let go of what other tests withdrew, which takes it up to 5 s."""

    def known() -> int:
        return len(bench.ask("/api/v1/targets")["data"]["activeTargets"])

    wait_until(lambda: known() == 2, "c1's two targets alone", 30)


def test_window_run_leaves_the_commands_output_alone_and_waits(bench: Bench) -> None:
    scraped_alone(bench)
    script = "import time, sys; time.sleep(3); print('out'); print('err', file=sys.stderr)"
    ran = bench.monitord("window", "run", "-s", "bench", "--id", "ran", "--", sys.executable, "-c", script)
    assert ran.stdout == "out\n"
    assert ran.stderr.splitlines()[0] == "err"
    assert ran.stderr.splitlines()[-1] == str(bench.session.artifacts / "ran")
    assert bench.manifest("ran")["status"] == "complete", bench.manifest("ran")["reasons"]


def test_window_run_under_nohup_goes_on_after_a_hangup_and_so_does_its_command(bench: Bench) -> None:
    started, go_on = bench.root / "nohup-started", bench.root / "nohup-go-on"
    script = f"echo $$ > {started}; until [ -e {go_on} ]; do sleep 0.05; done; exit 5"
    nohup = replace(bench, traced=("nohup",), started=bench.started)
    process = nohup.start(
        "window", "run", "-s", "bench", "--id", "nohup", "--no-wait", "--", "sh", "-c", script
    )
    pid = int(wait_until(lambda: started.read_text().strip() if started.exists() else None, "the command"))
    for each in (process.pid, pid):
        assert is_ignored(each, signal.SIGHUP)
        os.kill(each, signal.SIGHUP)
    go_on.touch()
    assert process.wait(30) == 5


def is_ignored(pid: int, number: signal.Signals) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    [ignored] = [line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:")]
    return bool(int(ignored, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_window_run_that_is_told_to_end_ends_its_command_and_closes_the_window(
    bench: Bench, number: signal.Signals
) -> None:
    window_id, said = f"told-{number}", bench.root / f"told-{number}"
    process = bench.start("window", "run", "-s", "bench", "--id", window_id, "--no-wait", "--",
                          "sh", "-c", f"echo $$ > {said}; exec sleep 120")  # fmt: skip
    pid = int(wait_until(lambda: said.read_text().strip() if said.exists() else None, "the command"))
    if number is signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: to both
    else:
        process.send_signal(number)
    assert process.wait(30) == 128 + number
    assert not Path(f"/proc/{pid}").exists()
    assert (bench.session.windows / f"{window_id}.stop").exists()


def test_collect_a_complete_window(bench: Bench) -> None:
    scraped_alone(bench)
    seen = time.monotonic()
    wait_until(lambda: time.monotonic() > seen + 4, "4 s of data", 30)
    out = bench.root / "results"
    start, end = time.time() - 3, time.time()
    ran = bench.monitord("collect", "-s", "bench", "--from-iso", to_iso(start), "--to-iso", to_iso(end),
                         "--out", out, "--run-id", "past01")  # fmt: skip
    assert ran.stdout == f"{out}\n"
    assert "complete" in ran.stderr
    manifest = json.loads((out / "MANIFEST.json").read_text())
    assert {entry["path"] for entry in manifest["files"]} | {"MANIFEST.json"} == {
        str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()
    }
    again = bench.monitord("collect", "-s", "bench", "--from-iso", to_iso(start), "--to-iso", to_iso(end),
                           "--out", out, code=1)  # fmt: skip
    assert "not empty" in again.stderr


def test_collect_of_an_incomplete_window_ends_with_5(bench: Bench) -> None:
    out = bench.root / "early"
    ran = bench.monitord("collect", "-s", "bench", "--from-iso", "2020-01-01T00:00:00Z", "--to-iso",
                         "2020-01-01T01:00:00+00:00", "--out", out, code=5)  # fmt: skip
    assert ran.stdout == f"{out}\n"
    assert "never scraped" in ran.stderr or "no target" in ran.stderr
    assert (out / "MANIFEST.json").exists()


def test_collect_refuses_what_cannot_be_a_window(bench: Bench) -> None:
    times = ("--from-iso", "2026-01-01T10:00:00Z", "--to-iso", "2026-01-01T09:00:00Z")
    bench.monitord("collect", "-s", "bench", *times, code=1)
    bench.monitord("collect", "-s", "bench", "--from-iso", "yesterday", "--to-iso", "now", code=2)


def test_the_settings_tell_their_origin(bench: Bench) -> None:
    ran = bench.monitord("config", "show", "-s", "bench", "--origin", MONITORD_WATCH_MODE="poll")
    found = {line.split()[0]: line for line in ran.stdout.splitlines()}
    assert re.search(r"poll +environment MONITORD_WATCH_MODE$", found["watch.mode"])
    assert re.search(rf"0\.5 +{bench.session.settings_file}$", found["scrape_interval"])
    assert re.search(r"default$", found["prometheus.retention"])
    assert "ORIGIN" not in bench.monitord("config", "show", "-s", "bench").stdout
    values = json.loads(bench.monitord("config", "show", "-s", "bench", "-o", "json").stdout)
    assert values["prometheus.port"] == {"value": 0, "origin": str(bench.session.settings_file)}
    wrong = bench.monitord("config", "show", "-s", "bench", MONITORD_WATCH_MOOD="poll", code=1)
    assert "MONITORD_WATCH_MODE" in wrong.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_names_the_program(bench: Bench, shell: str) -> None:
    ran = bench.monitord("completion", shell)
    assert "_MONITORD_COMPLETE" in ran.stdout
    assert not ran.stderr


def test_completion_offers_commands_and_sessions(bench: Bench) -> None:
    bash = "bash_complete"
    commands = bench.monitord(_MONITORD_COMPLETE=bash, COMP_WORDS="monitord s", COMP_CWORD="1")
    assert {line.partition(",")[2] for line in commands.stdout.splitlines()} == {
        name for name in COMMANDS if name.startswith("s")
    }
    sessions = bench.monitord(_MONITORD_COMPLETE=bash, COMP_WORDS="monitord status -s be", COMP_CWORD="3")
    assert "bench" in {line.partition(",")[2] for line in sessions.stdout.splitlines()}


def test_the_version(bench: Bench) -> None:
    assert bench.monitord("--version").stdout == f"monitord {__version__}\n"


def test_no_command_lists_the_commands(bench: Bench) -> None:
    ran = bench.monitord(code=2)
    assert "session-create" in ran.stdout + ran.stderr


def test_no_escape_code_leaves_the_terminal(bench: Bench) -> None:
    for arguments in (("status",), ("window", "list"), ("wait", "--for", "ready"), ("config", "show")):
        ran = bench.monitord(*arguments, "-s", "bench", FORCE_COLOR="1", TERM="xterm-256color")
        assert ESCAPE not in ran.stdout + ran.stderr


def test_a_reader_that_has_seen_enough_is_no_error(bench: Bench) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = bench.start("status", "-s", "bench", stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert process.stderr is not None
    with process.stderr as stderr:
        assert not stderr.read()
    assert process.wait(30) == 0


def test_delete_refuses_a_running_session(bench: Bench) -> None:
    assert "is running" in bench.monitord("delete", "-s", "bench", code=1).stderr
    assert bench.session.exists()
