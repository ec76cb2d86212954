"""Prometheus as a child of the daemon: started, watched, restarted and stopped."""
