"""Prometheus's data: their folder, snapshots, and recovery."""
