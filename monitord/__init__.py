"""monitord: say what Prometheus scrapes, run it, and cut out the window a benchmark ran, with files."""

__version__ = "0.1.0"
