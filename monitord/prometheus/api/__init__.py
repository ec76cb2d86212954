"""A client of Prometheus's HTTP API, usable on its own: `PrometheusClient`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitord.prometheus.api.client import PrometheusClient

__all__ = ["PrometheusClient"]


def __getattr__(name: str) -> Any:
    # Loaded on demand: the values beside it (answers, series, versions) need no requests.
    if name in __all__:
        return getattr(import_module("monitord.prometheus.api.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
