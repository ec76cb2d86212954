"""An sbatch that reports a time-out for what Slurm has accepted: one job is there, and is taken back."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.e2e.conftest import S, Site, sites
from tests.slurm_cluster import SlurmCluster

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

_SBATCH = """\
#!/bin/sh
[ -e {folder}/lost ] || {sbatch} "$@" >/dev/null || exit
echo x >> {folder}/calls
echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
exit 1
"""


@dataclass
class LyingSbatch:
    """Submits, and says that it timed out; while `lost` is there, it does not submit either."""

    folder: Path

    @property
    def calls(self) -> int:
        file = self.folder / "calls"
        return len(file.read_text().split()) if file.exists() else 0


@pytest.fixture
def site(tmp_path: Path, cluster: SlurmCluster) -> Iterator[Site]:
    with sites(tmp_path, cluster) as found:
        yield found


@pytest.fixture
def sbatch(site: Site, tmp_path: Path) -> LyingSbatch:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "sbatch"
    script.write_text(_SBATCH.format(folder=folder, sbatch=shutil.which("sbatch")))
    script.chmod(0o755)
    path = site.bench.environment()["PATH"]
    site.bench.more = {**site.bench.more, "PATH": f"{folder}:{Path(sys.executable).parent}:{path}"}
    return LyingSbatch(folder)


def queue(site: Site) -> list[str]:
    return site.cluster.run("squeue", "--noheader", "--format=%A %T").splitlines()


def test_what_was_accepted_and_not_reported_is_adopted_and_taken_back(
    site: Site, sbatch: LyingSbatch
) -> None:
    first = site.start("--continue", "--time", "10", "--sbatch-arg=--comment=project x")
    second = wait_until(lambda: site.bench.daemon["successor_job_id"], "a successor")
    assert queue(site) == [f"{second} PENDING", f"{first} RUNNING"]
    assert sbatch.calls == 2
    comments = site.cluster.run("squeue", "--noheader", "--format=%k").splitlines()
    assert all(comment.startswith("project x monitord:") for comment in comments)
    assert [line["job_id"] for line in site.bench.log("handover.submitted")] == [second]
    site.bench.monitord("stop", *S)
    wait_until(lambda: not queue(site), "an empty queue")


def test_a_job_that_comes_after_start_has_given_up_is_seen_and_taken_back(
    site: Site, sbatch: LyingSbatch
) -> None:
    (sbatch.folder / "lost").touch()
    lost = site.bench.monitord("start", *S, "--no-wait", code=6)
    assert "may have been submitted anyway" in lost.stderr
    assert "monitord stop -s bench" in lost.stderr
    # It comes now: what the controller was sent then.
    (sbatch.folder / "lost").unlink()
    late = site.bench.monitord("start", *S, "--no-wait", "--sbatch-arg=--begin=now+1hour").stdout.strip()
    submission = site.bench.session.submission
    submission.write_text(submission.read_text().replace(f'"job_id": "{late}"', '"job_id": ""'))
    again = site.bench.monitord("start", *S, "--no-wait", code=3)
    assert f"has a job already: {late} PENDING" in again.stderr
    assert "has a job in the queue" in site.bench.monitord("delete", *S, code=1).stderr
    site.bench.monitord("stop", *S)
    wait_until(lambda: not queue(site), "an empty queue")
    assert site.bench.session.exists()
