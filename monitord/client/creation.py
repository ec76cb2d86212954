"""Creating a session."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from monitord.client.schemas import all_schemas
from monitord.documents.durations import format_duration
from monitord.session.folder import Session
from monitord.session.settings import check_settings, render_settings
from monitord.system.folders import lets_others_replace, lets_pass
from monitord.system.names import check_name


@dataclass(frozen=True, slots=True)
class Created:
    """A new session, and warnings on a root that existed already: it is left as it is."""

    session: Session
    warnings: tuple[str, ...]


def create_session(
    root: Path,
    name: str,
    *,
    prom_host: str | None = None,
    port: int | None = None,
    scrape_interval: float | None = None,
    group: str | None = None,
) -> Created:
    """Create a session folder below an absolute root. Raises InvalidInputError, and OSError."""
    given = {
        "session": check_name(name, "session"),
        "scrape_interval": None if scrape_interval is None else format_duration(scrape_interval),
        "prometheus.host": prom_host,
        "prometheus.port": port,
    }
    content = render_settings({key: value for key, value in given.items() if value is not None})
    check_settings(content)
    session = Session(root, name)
    session.create(content, group, all_schemas())
    return Created(session, tuple(_warnings(session, group)))


def _warnings(session: Session, group: str | None) -> list[str]:
    found = []
    if lets_others_replace(session.root):
        how = f"chmod +t {quote(str(session.root))}"
        found.append(f"anybody could replace the session's folder by another one; run: {how}")
    group_id = session.folder.stat().st_gid
    for folder in (session.root, *session.root.parents) if group else ():
        if not lets_pass(folder, group_id):
            how = f"chmod o+x {quote(str(folder))}"
            found.append(f"the group {group} has no access to {folder}; allow it, for example with: {how}")
    return found
