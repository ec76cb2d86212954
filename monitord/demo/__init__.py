"""A service under a known load, to see monitord at work and to check its numbers against."""
