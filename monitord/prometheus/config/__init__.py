"""What Prometheus reads: its configuration, who gets in, and the folder that they lie in."""
