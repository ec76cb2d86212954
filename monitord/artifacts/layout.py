"""The names of the files in an artifact folder: what users read, and what commands read back."""

from __future__ import annotations

MANIFEST = "MANIFEST.json"
SUMMARY = "metrics_summary.csv"
SUMMARY_JSON = "metrics_summary.json"
COVERAGE = "coverage.csv"
TIMESERIES = "timeseries.csv"
SERIES = "series_summary.parquet"
SERIES_CSV = "series_summary.csv"
QUERIES = "queries.json"
INPUTS = "inputs"
SAMPLES = "samples"
HISTOGRAMS = "histograms"
