"""A client of Prometheus's HTTP API, usable on its own."""
