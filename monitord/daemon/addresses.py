"""Checking the hosts of target files against the settings' rules, with the addresses of their names.

A name without an address is looked up again from time to time. Its file is read again once it has one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field

from monitord.errors import Problem
from monitord.targets.admission import Addresses, Rules, Verdict
from monitord.targets.model import Registration

PATIENCE_SECONDS = 1.0
AGAIN_SECONDS = 5.0

Resolve = Callable[[Collection[str], float], Addresses]
"""Returns the addresses of names that are known within so many seconds."""

Verdicts = Mapping[str, Verdict]


@dataclass(slots=True)
class AddressCheck:
    """The rules, and the files with a host whose name had no address."""

    rules: Rules
    resolve: Resolve
    _nameless: dict[str, Set[str]] = field(default_factory=dict)
    _due: float = float("-inf")

    def verdicts(self, registrations: Iterable[Registration]) -> Verdicts:
        """Judge every host of these registrations; names are resolved for PATIENCE_SECONDS at most."""
        hosts = {endpoint.host for item in registrations for endpoint in item.endpoints}
        names = self.rules.to_resolve(hosts)
        addresses = self.resolve(names, PATIENCE_SECONDS) if names else {}
        return {host: self.rules.judge(host, addresses) for host in hosts}

    def problems(self, registration: Registration, verdicts: Verdicts) -> list[Problem]:
        """Return why hosts may not be scraped, once per place, and note names without an address."""
        reasons: dict[tuple[int, int], str] = {}
        nameless = set()
        for endpoint in registration.endpoints:
            verdict = verdicts[endpoint.host]
            if verdict.is_open:
                nameless.add(endpoint.host)
            if verdict.reason:
                reasons.setdefault(endpoint.place, verdict.reason)
        if nameless:
            self._nameless[registration.file] = nameless
        return [Problem(*place, "", reason) for place, reason in reasons.items()]

    def forget(self, file: str) -> None:
        """Drop what is known of a file."""
        self._nameless.pop(file, None)

    def to_read_again(self, now: float) -> set[str]:
        """Return the files with a name that has an address by now; `now` is monotonic."""
        if not self._nameless or now < self._due:
            return set()
        self._due = now + AGAIN_SECONDS
        found = self.resolve(set().union(*self._nameless.values()), 0.0)
        return {file for file, names in self._nameless.items() if not names.isdisjoint(found)}

    def next_due(self, now: float) -> float | None:
        """Return in how many seconds to call `to_read_again`; None for never."""
        return max(self._due - now, 0.0) if self._nameless else None


def denial(registration: Registration, verdicts: Verdicts) -> str:
    """Return why a host is known to be refused; else an empty text.

    A name without an address does not withdraw a registration in force: it cannot be scraped anyway.
    """
    found = (verdicts[endpoint.host] for endpoint in registration.endpoints)
    return next((verdict.reason for verdict in found if verdict.reason and not verdict.is_open), "")
