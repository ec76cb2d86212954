"""KPIs read from raw samples. Only this package computes with numpy, and a module that loads it is not cheap."""
