"""Exporters inside a client's allocation: one of each kind a node, registered while they run."""
