"""Units, and the factor from one to another. Pure.

A unit is a word (`ms`) or one word over another (`MB/s`). Words in the table convert within their
dimension; any other word (`requests`) is a unit that is only ever itself.
"""

from __future__ import annotations

_DIMENSIONS: dict[str, dict[str, float]] = {
    "time": {
        "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "seconds": 1.0,
        "min": 60.0, "h": 3600.0, "d": 86400.0,
    },
    "share": {"%": 0.01, "ratio": 1.0, "": 1.0},
    "bytes": {
        "B": 1.0, "bytes": 1.0, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
        "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "TiB": 2.0**40,
    },
    "energy": {"mJ": 1e-3, "J": 1.0, "kJ": 1e3, "MJ": 1e6, "Wh": 3600.0, "kWh": 3.6e6},
    "power": {"mW": 1e-3, "W": 1.0, "kW": 1e3},
    "frequency": {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
}  # fmt: skip
_WORDS = {word: (dimension, size) for dimension, words in _DIMENSIONS.items() for word, size in words.items()}


def convert(value: float, unit: str, into: str) -> float | None:
    """Return a value in another unit; None when they are not compatible."""
    if unit == into:
        return value
    dividend, divisor = _parts(unit)
    wanted_dividend, wanted_divisor = _parts(into)
    above, below = _ratio(dividend, wanted_dividend), _ratio(divisor, wanted_divisor)
    if above is None or below is None:
        return None
    # Dividing by a reciprocal that is whole keeps 300 ms at 0.3 s.
    (up, down), (down_too, up_too) = above, below
    return value * up * up_too / (down * down_too)


def fitting_units(unit: str) -> tuple[str, ...]:
    """Return the ways to write a unit that the table knows; only itself when it knows none."""
    dimension, _ = _WORDS.get(unit, ("", 1.0))
    return tuple(word for word in _DIMENSIONS.get(dimension, {unit: 1.0}) if word)


def _parts(unit: str) -> tuple[str, str]:
    dividend, _, divisor = unit.partition("/")
    return dividend.strip(), divisor.strip()


def _ratio(unit: str, into: str) -> tuple[float, float] | None:
    """Return by what to multiply and by what to divide; small sizes as their whole reciprocals."""
    if unit == into:
        return 1.0, 1.0
    dimension, size = _WORDS.get(unit, ("", 1.0))
    wanted, wanted_size = _WORDS.get(into, ("", 1.0))
    if not dimension or dimension != wanted:
        return None
    up, down = (size, 1.0) if size >= 1 else (1.0, round(1 / size))
    return (up, down * wanted_size) if wanted_size >= 1 else (up * round(1 / wanted_size), down)
