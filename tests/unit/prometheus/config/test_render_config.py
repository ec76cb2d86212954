"""prometheus.yml, byte for byte and for all intervals."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitord.documents.durations import parse_duration
from monitord.errors import InvalidInputError
from monitord.prometheus.api.version import Version
from monitord.prometheus.config.render_config import render_config
from monitord.session.settings import LimitSettings
from monitord.targets.credentials import ScrapeCredentials

GOLDEN = b"""\
global:
  scrape_interval: 5s
  scrape_timeout: 5s
scrape_configs:
- job_name: monitord
  honor_labels: false
  honor_timestamps: false
  follow_redirects: false
  sample_limit: 50000
  label_limit: 64
  label_name_length_limit: 256
  label_value_length_limit: 2048
  body_size_limit: 33554432B
  file_sd_configs:
  - files:
    - /s/prometheus/file_sd/targets-*.json
    refresh_interval: 5s
  metric_relabel_configs:
  - source_labels:
    - __name__
    regex: up|scrape_.*
    action: drop
  - source_labels:
    - __name__
    - le
    regex: .+_bucket;(0|[1-9][0-9]{0,5})
    target_label: le
    replacement: ${1}.0
"""


def test_it_is_this_file() -> None:
    assert render_config(Path("/s/prometheus/file_sd"), 5.0, LimitSettings()) == GOLDEN


def test_each_credentials_have_a_job_that_differs_in_nothing_else() -> None:
    given_sets = [
        ScrapeCredentials(username="bench", password_file="/s/pw"),
        ScrapeCredentials(bearer_token_file="/s/token"),
        ScrapeCredentials(
            ca_file="/s/ca", cert_file="/s/c", key_file="/s/k", server_name="h", insecure_skip_verify=True
        ),
    ]
    given, reverse = dict.fromkeys(given_sets, "0a1b"), dict.fromkeys(given_sets[::-1], "0a1b")
    rendered = render_config(Path("/s"), 5.0, LimitSettings(), credentials=given)
    assert rendered == render_config(Path("/s"), 5.0, LimitSettings(), credentials=reverse)
    plain, *others = yaml.safe_load(rendered)["scrape_configs"]
    assert len(others) == 3
    access = {}
    for job in others:
        digest = job["job_name"].removeprefix("monitord-").removesuffix("-0a1b")
        [pattern] = job["file_sd_configs"][0]["files"]
        assert pattern == f"/s/auth-{digest}-*.json"
        own = {"job_name": job["job_name"], "file_sd_configs": job["file_sd_configs"]}
        access[digest] = {key: value for key, value in job.items() if key not in plain}
        assert job == {**plain, **own, **access[digest]}
    assert [access[item.digest] for item in given_sets] == [
        {"basic_auth": {"username": "bench", "password_file": "/s/pw"}},
        {"authorization": {"type": "Bearer", "credentials_file": "/s/token"}},
        {"tls_config": {"ca_file": "/s/ca", "cert_file": "/s/c", "key_file": "/s/k", "server_name": "h",
                        "insecure_skip_verify": True}},
    ]  # fmt: skip


def test_3_x_is_told_how_to_read_text_without_a_content_type() -> None:
    config = render_config(Path("/s"), 5.0, LimitSettings(), Version(3, 0, 0))
    assert b"fallback_scrape_protocol: PrometheusText0.0.4\n" in config


def test_3_x_is_told_to_ask_for_names_as_2_x_does() -> None:
    config = yaml.safe_load(render_config(Path("/s"), 5.0, LimitSettings(), Version(3, 0, 0)))
    assert config["global"]["metric_name_validation_scheme"] == "legacy"


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        (Version(2, 42, 0), set()),
        (Version(2, 45, 0), {"scrape_classic_histograms"}),
        (Version(3, 7, 3), {"always_scrape_classic_histograms"}),
        (Version(3, 8, 0), {"always_scrape_classic_histograms", "scrape_native_histograms"}),
    ],
)
def test_native_histograms_come_beside_the_classic_ones(version: Version, keys: set[str]) -> None:
    given = {ScrapeCredentials(bearer_token_file="/s/token"): "0a1b"}
    without, native = (
        yaml.safe_load(render_config(Path("/s"), 5.0, LimitSettings(), version, given, wanted))
        for wanted in (False, True)
    )
    for plain, job in zip(without["scrape_configs"], native["scrape_configs"], strict=True):
        assert job == plain | dict.fromkeys(keys, True)
        assert not keys & plain.keys()


@given(st.integers(100, 10_000_000))
def test_the_timeout_is_never_longer_than_the_interval_nor_than_10_s(milliseconds: int) -> None:
    rendered = yaml.safe_load(render_config(Path("/s"), milliseconds / 1000, LimitSettings()))

    interval = parse_duration(rendered["global"]["scrape_interval"])
    timeout = parse_duration(rendered["global"]["scrape_timeout"])
    assert interval == pytest.approx(milliseconds / 1000)
    assert timeout == min(10.0, interval)


def test_limits_come_from_the_settings() -> None:
    limits = LimitSettings(samples=1, labels=2, label_name_bytes=3, label_value_bytes=4, body_bytes=5)
    scrape = yaml.safe_load(render_config(Path("/s"), 1.0, limits))["scrape_configs"][0]
    assert [scrape[key] for key in ("sample_limit", "label_limit")] == [1, 2]
    assert scrape["label_name_length_limit"] == 3
    assert scrape["label_value_length_limit"] == 4
    assert scrape["body_size_limit"] == "5B"


def test_pattern_characters_of_the_folder_stand_for_themselves() -> None:
    rendered = yaml.safe_load(render_config(Path("/a [1]?\\b"), 1.0, LimitSettings()))
    files = rendered["scrape_configs"][0]["file_sd_configs"][0]["files"]
    assert files == ["/a \\[1\\]\\?\\\\b/targets-*.json"]


@pytest.mark.parametrize("folder", ["/a*b", "relative/folder"])
def test_a_folder_that_file_sd_cannot_read_is_refused(folder: str) -> None:
    with pytest.raises(InvalidInputError, match="--root"):
        render_config(Path(folder), 1.0, LimitSettings())
