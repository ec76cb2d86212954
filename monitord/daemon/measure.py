"""Measuring one closed window: ask Prometheus, judge, publish the artifacts.

Each measurement runs on its own thread with its own connection, and reads only immutable values of the
daemon.
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord import __version__
from monitord.artifacts import store
from monitord.artifacts.attempt import Attempt
from monitord.artifacts.collector_messages import Asked
from monitord.artifacts.contents import window_files
from monitord.artifacts.manifest import KEPT, Provenance, has_data, manifest, reasons_of, renewed
from monitord.artifacts.tsdb import Blocks, blocks_of, without_blocks
from monitord.collect.collected_window import CollectedWindow
from monitord.collect.cost import Moment, own_cost
from monitord.collect.request import CollectionRequest, ExpectedTarget
from monitord.collect.settle import settle_query
from monitord.collect.slo import worst_of
from monitord.collect.stall import Stall
from monitord.collect.verdict import Reason
from monitord.daemon.collection_threads import Collected
from monitord.daemon.collector import Collector, Samples
from monitord.daemon.skew import Skew, measure_skew
from monitord.dropfolder.files import read_file
from monitord.errors import InvalidInputError, MonitordError
from monitord.file_sd.render import render_file, render_groups
from monitord.prometheus.api.client import PrometheusClient
from monitord.prometheus.api.series import Answer
from monitord.prometheus.api.version import has_left_open_ranges
from monitord.prometheus.child.outages import Outages
from monitord.recipes.load import load_recipes, packaged_folder, recipe_files, select_recipes
from monitord.recipes.model import Recipe
from monitord.session.held import HeldSession
from monitord.session.settings import Settings
from monitord.slurm.allocation import read_allocation
from monitord.system.clock import SystemClock
from monitord.targets.registry import Registry
from monitord.windows.model import Window

SETTLE_TIMEOUT_SECONDS = 2.0
QUERY_TIMEOUT_SECONDS = 60.0
BLOCKS_TIMEOUT_SECONDS = 300.0
"""For Prometheus to write all of its data."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What is needed to measure the windows of a session, which the daemon with this `term` holds."""

    session: HeldSession
    settings: Settings
    connect: Callable[[float], PrometheusClient]
    registry: Callable[[], Registry]
    collector: Collector
    outages: Callable[[], Outages] = Outages
    usage: Callable[[], Sequence[Moment]] = tuple
    data_folder: Callable[[], Path] = Path
    stalls: Callable[[float, float], tuple[Stall, ...]] = lambda _start, _end: ()
    term: int | None = None

    def last_scrapes(self) -> Answer:
        """Return when each target was last scraped; raises PrometheusError."""
        with self.connect(SETTLE_TIMEOUT_SECONDS) as client:
            return client.query(settle_query(self.session.name))

    def targets(self, end: float) -> tuple[ExpectedTarget, ...]:
        """Return the targets in force, except those that were registered after the window."""
        return tuple(
            ExpectedTarget(endpoint.url, endpoint.labels, endpoint.interval or self.settings.scrape_interval)
            for entry in self.registry().entries.values()
            if entry.in_force and (entry.accepted_at or 0.0) <= end
            for endpoint in entry.in_force.endpoints
        )

    def measure(self, window: Window, unsettled: bool, attempt: Attempt) -> Collected:
        """Collect a window and publish its artifacts.

        `unsettled`: not every target was scraped in time after the window's end. Raises
        PrometheusUnavailableError when trying again later may help; otherwise PrometheusError,
        InvalidInputError, OSError, and AbandonedError when the attempt was abandoned.
        """
        permit = store.Permit(attempt, self.session.confirm)
        recipes, refused = self._recipes()
        skew = measure_skew(self.session.status, SystemClock())
        with self.connect(QUERY_TIMEOUT_SECONDS) as client:
            version = str(client.build_info().get("version"))
            request = CollectionRequest(
                session=self.session.name,
                window=window,
                targets=self.targets(window.end),
                scrape_interval=self.settings.scrape_interval,
                min_coverage=self.settings.windows.min_coverage,
                recipes=select_recipes(recipes, window.recipes),
                outages=self.outages().touching(window.start, window.end),
                left_open=has_left_open_ranges(version),
                native_histograms=self.settings.prometheus.native_histograms,
                stalls=self.stalls(window.start, window.end),
                max_uncertainty=self.settings.windows.max_uncertainty,
                skew=_widest(skew, window),
            )
            server = client.connection_info
        asked = Asked(request, (*refused, *self._reasons(unsettled)))
        with self.collector.collecting(server, asked, self.settings.windows.samples) as (collection, samples):
            provenance = self._provenance(collection, version, skew)
            if kept := self._kept(collection, provenance, permit):
                return kept
            with self._blocks(collection) as blocks:
                folder = self._publish_what_fits(collection, provenance, samples, blocks, permit)
        return Collected(
            collection.status, str(folder), tuple(reason.message for reason in collection.reasons),
            worst_of(result.status for result in collection.slo),
        )  # fmt: skip

    def _provenance(self, collection: CollectedWindow, version: str, skew: Skew | None) -> Provenance:
        window, allocation = collection.request.window, read_allocation(os.environ)
        return Provenance(
            __version__, platform.python_version(), _host(), self._prometheus(version),
            allocation.as_json() if allocation else None, self._own_cost(collection), _clock(skew),
            window.markers, tuple(_warnings(skew, window)), self.term,
        )  # fmt: skip

    def _kept(
        self, collection: CollectedWindow, provenance: Provenance, permit: store.Permit
    ) -> Collected | None:
        """Keep earlier artifacts with data when this collection has none; None when none are kept."""
        latest, artifacts = manifest(collection, provenance), self.session.artifacts
        window_id = collection.request.window.id
        earlier = None if has_data(latest) else store.read_manifest(artifacts / window_id)
        if earlier is None or not has_data(earlier):
            return None
        answer = renewed(earlier, latest, collection.start)
        if answer is None:
            raise _other_window(artifacts / window_id, earlier)
        folder = store.renew(artifacts, window_id, answer, self.session.file_mode, permit)
        slo = worst_of(result.get("status") for result in answer.get("slo") or ())
        return Collected(answer["status"], str(folder), reasons_of(answer), slo)

    def _publish_what_fits(
        self, collection: CollectedWindow, provenance: Provenance, samples: Samples, blocks: Blocks,
        permit: store.Permit,
    ) -> Path:  # fmt: skip
        try:
            return self._publish(collection, provenance, samples, blocks, permit)
        except OSError as error:  # there may be room without the blocks
            if not blocks.files:
                raise
            return self._publish(collection, provenance, samples, without_blocks(error), permit)

    def _publish(
        self, collection: CollectedWindow, provenance: Provenance, samples: Samples, blocks: Blocks,
        permit: store.Permit,
    ) -> Path:  # fmt: skip
        files = window_files(collection, self._inputs(collection))
        content = manifest(collection, provenance, blocks.warnings)
        return store.publish(
            self.session.artifacts, collection.request.window.id, {**files, **samples.files, **blocks.files},
            content, self.session.file_mode, samples.rows, permit=permit,
        )  # fmt: skip

    @contextlib.contextmanager
    def _blocks(self, collection: CollectedWindow) -> Iterator[Blocks]:
        if not self.settings.windows.blocks:
            yield Blocks()
            return
        with (
            self.connect(BLOCKS_TIMEOUT_SECONDS) as client,
            blocks_of(collection.request.whole, client.snapshot, self.data_folder()) as blocks,
        ):
            yield blocks

    def _recipes(self) -> tuple[tuple[Recipe, ...], list[Reason]]:
        """Return the recipes in force; where the session's own are invalid, only these are left out."""
        try:
            return load_recipes(self.session.recipes), []
        except (InvalidInputError, OSError) as error:
            return load_recipes(), [
                Reason("recipe_refused", f"the session's own recipes are left out: {error}")
            ]

    def _own_cost(self, collection: CollectedWindow) -> Mapping[str, Any]:
        """Return what monitoring itself cost during the window."""
        window = collection.request.window
        return own_cost(self.usage(), window.start, window.end) | {
            "scrapes": sum(target.scrapes for target in collection.coverage),
            "scraped_bytes": collection.scraped_bytes,
        }

    def _reasons(self, unsettled: bool) -> list[Reason]:
        timeout = self.settings.windows.settle_timeout
        text = f"not every target was scraped after the window's end within {timeout:g} s"
        return [Reason("settle_timeout", text)] if unsettled else []

    def _inputs(self, collection: CollectedWindow) -> dict[str, bytes]:
        """Return the files that the window was measured from; none contains credentials."""
        session, window = self.session, collection.request.window
        inputs = {file.name: file.read_bytes() for file in (session.prometheus_config, session.settings_file)}
        used = {recipe.name for recipe in collection.request.recipes}
        packaged = (file for file in recipe_files(packaged_folder()) if file.stem in used)  # named by it
        for file in (*packaged, *recipe_files(session.recipes, missing_ok=True)):
            inputs[f"recipes/{file.name}"] = file.read_bytes()
        interval = self.settings.scrape_interval
        groups = {
            file: render_groups(registration.endpoints, interval)
            for file, registration in self.registry().in_force().items()
        }
        inputs["targets.json"] = render_file(groups)
        for name in window.markers:
            # Another user may have replaced it since: links are not followed.
            with contextlib.suppress(OSError):
                inputs[f"markers/{name}"] = read_file(session.windows, name)[1].content
        return inputs

    def _prometheus(self, version: str) -> Mapping[str, Any]:
        return {
            "version": version,
            "scrape_interval_seconds": self.settings.scrape_interval,
            "native_histograms": self.settings.prometheus.native_histograms,
        }


def _other_window(folder: Path, earlier: Mapping[str, Any]) -> MonitordError:
    times = earlier.get("window") or {}
    return MonitordError(
        f"{KEPT}: nothing was scraped in this window, and {folder} holds the results of another, from "
        f"{times.get('from')} to {times.get('to')}, which has data and stays as it is; use another id, or "
        "move that folder away and touch the marker again"
    )


def _widest(skew: Skew | None, window: Window) -> float:
    """Return how far the clock of a window's markers may differ from that of the scrapes, in seconds."""
    return abs(skew.seconds) + skew.uncertainty if skew and window.markers else 0.0


def _clock(skew: Skew | None) -> Mapping[str, Any] | None:
    if skew is None:
        return None
    return {"files_ahead_seconds": skew.seconds, "uncertainty_seconds": skew.uncertainty}


def _warnings(skew: Skew | None, window: Window) -> Iterator[str]:
    if skew and skew.is_notable and window.markers:
        yield (
            f"files here are dated {skew.seconds:+.1f} s off this machine's clock, which dates scrapes: the "
            "window may be shifted by as much; write the times into the markers (at:), or mend the clocks"
        )


def _host() -> Mapping[str, Any]:
    return {"hostname": socket.gethostname(), "os": platform.platform(), "arch": platform.machine()}
