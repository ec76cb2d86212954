"""KPIs read from raw samples, with numpy: whoever imports this package waits for that to load."""
