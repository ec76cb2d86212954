"""What one may do to a session and read of it, for whoever asks: without a terminal."""
