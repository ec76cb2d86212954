"""How large a file that users write may be. Pure."""

from __future__ import annotations

MAX_BYTES = 64 * 1024
"""A longer file is refused without being parsed."""
