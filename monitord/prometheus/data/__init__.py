"""Where Prometheus keeps its data, and what of them outlives the node."""
