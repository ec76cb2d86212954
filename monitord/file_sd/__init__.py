"""From registrations to the files from which Prometheus learns its targets."""
