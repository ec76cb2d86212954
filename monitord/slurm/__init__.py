"""Slurm: its lists of nodes, its commands, and the allocation that the daemon runs in."""
