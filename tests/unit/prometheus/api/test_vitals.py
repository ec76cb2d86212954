"""What is read of Prometheus's own metrics."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from monitord.prometheus.api.vitals import Vitals

METRICS = """\
# HELP prometheus_tsdb_wal_writes_failed_total Total number of WAL writes that failed.
# TYPE prometheus_tsdb_wal_writes_failed_total counter
prometheus_tsdb_wal_writes_failed_total 6
prometheus_sd_file_watcher_errors_total 1
prometheus_config_last_reload_successful 1
prometheus_config_last_reload_success_timestamp_seconds 1.7639733146312e+09
process_resident_memory_bytes 5.2609024e+07
prometheus_tsdb_head_series 473
prometheus_target_interval_length_seconds{interval="1s",quantile="0.01"} 0.99
"""


def test_all_that_is_there_is_read() -> None:
    assert Vitals.read(METRICS) == Vitals(6, 1, True, 1763973314.6312, 52609024, 473)


def test_what_is_not_there_is_unknown_and_not_zero() -> None:
    assert Vitals.read("") == Vitals()
    assert Vitals.read("prometheus_config_last_reload_successful 0\n").config_loaded is False


def test_what_is_no_number_is_unknown() -> None:
    assert Vitals.read("prometheus_tsdb_head_series NaN\nprocess_resident_memory_bytes x\n") == Vitals()


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    Vitals.read(text)
