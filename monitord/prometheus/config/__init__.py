"""What Prometheus reads: its configuration, passwords and certificates, and the folder with them."""
