"""The Prometheus that the daemon runs: its configuration, its supervision, its HTTP API."""
