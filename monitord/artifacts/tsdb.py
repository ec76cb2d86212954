"""The blocks of Prometheus's data that hold a window, for its artifact folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from monitord.errors import MonitordError
from monitord.kpis.span import Span
from monitord.prometheus.data.blocks import span_of
from monitord.prometheus.data.snapshot_store import blocks_in, written_snapshot
from monitord.system.listing import files_below


@dataclass(frozen=True, slots=True)
class Blocks:
    """Files by their path in the artifact folder, and why there are none."""

    files: Mapping[str, Path] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@contextmanager
def blocks_of(span: Span, ask: Callable[[], str], data_dir: Path) -> Iterator[Blocks]:
    """Have Prometheus write its data, and give the blocks that a window reads; gone after the context.

    `ask` is `PrometheusClient.snapshot`. If there are no blocks, a
    warning explains why.
    """
    with ExitStack() as stack:
        try:
            found = _found(stack.enter_context(written_snapshot(ask, data_dir)), span)
        except (MonitordError, OSError, ValueError) as error:
            found = without_blocks(error)
        yield found


def without_blocks(error: Exception) -> Blocks:
    """Return none, for a reason."""
    reason = getattr(error, "strerror", None) or error
    return Blocks(warnings=(f"blocks of Prometheus's data were not kept: {reason}",))


def _found(snapshot: Path, span: Span) -> Blocks:
    files = {
        f"tsdb/{file.relative_to(snapshot)}": file
        for block in blocks_in(snapshot)
        if _holds(block, span)
        for file in files_below(block)
    }
    return Blocks(files) if files else without_blocks(ValueError("none holds data of the window"))


def _holds(block: Path, span: Span) -> bool:
    held = span_of([(block / "meta.json").read_bytes()])
    return held.oldest <= span.end and held.newest >= span.earliest
