"""Slurm: node lists, its commands, and the allocation that the daemon runs in."""
