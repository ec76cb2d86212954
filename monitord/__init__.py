"""monitord: with files, say what Prometheus scrapes and which window a benchmark ran."""

__version__ = "0.1.0"
