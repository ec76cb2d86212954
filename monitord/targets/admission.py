"""Whether a host may be scraped: what the settings allow and deny, by its name and addresses. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from monitord.documents.networks import HostAddress, Rule, forms_of, read_rule
from monitord.session.settings import TargetSettings

Addresses = Mapping[str, Sequence[str]]
"""The addresses of host names; one that could not be resolved, or not yet, is not among them."""

_LOCAL: dict[str, Sequence[str]] = {"localhost": ("127.0.0.1", "::1")}
_ADVICE = "scrape another host, or ask the owner of the daemon to change that setting"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a host may not be scraped; empty if it may.

    `is_open` means that its name has no known address yet; the verdict may change once it has.
    """

    reason: str = ""
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be scraped: what `allow` covers, or anything if that is empty, but never what `deny` does."""

    allow: tuple[Rule, ...] = ()
    deny: tuple[Rule, ...] = ()

    def to_resolve(self, hosts: Iterable[str]) -> set[str]:
        """Return those of the hosts that are names, if addresses matter at all."""
        if all(rule.network is None for rule in (*self.allow, *self.deny)):
            return set()
        return {host for host in hosts if not forms_of(host) and _name(host) not in _LOCAL}

    def judge(self, host: str, addresses: Addresses) -> Verdict:
        """Return whether a host may be scraped. A name without a known address matches no network."""
        literal = forms_of(host)
        names = {_name(host), *map(str, literal)}
        resolved = addresses.get(host) or _LOCAL.get(_name(host), ())
        places = {host: literal} if literal else {text: forms_of(text) for text in resolved}
        is_open = not places and bool(self.to_resolve((host,)))
        if denied := self._denial(names, places):
            return Verdict(f"{host} may not be scraped: {denied}; {_ADVICE}")
        if not self.allow or self._is_allowed(names, list(places.values())):
            return Verdict(is_open=is_open)
        if is_open and any(rule.network for rule in self.allow):
            reason = (
                f"{host} may not be scraped yet: it does not resolve, and targets.allow lists networks; "
                "correct the name, or wait for the next lookup"
            )
            return Verdict(reason, is_open=True)
        return Verdict(f"{host} may not be scraped: targets.allow does not list it; {_ADVICE}")

    def _denial(self, names: Iterable[str], places: Mapping[str, tuple[HostAddress, ...]]) -> str:
        for rule in self.deny:
            if any(map(rule.covers_name, names)):
                return f"targets.deny lists {rule.text}"
            for text, forms in places.items():
                if rule.covers_address(forms):
                    return f"{text} is in {rule.text}, which targets.deny lists"
        return ""

    def _is_allowed(self, names: Iterable[str], places: Sequence[tuple[HostAddress, ...]]) -> bool:
        """Return whether one of the names is allowed, or all addresses: a scrape may go to any of them."""
        if any(rule.covers_name(name) for rule in self.allow for name in names):
            return True
        return bool(places) and all(
            any(rule.covers_address(forms) for rule in self.allow) for forms in places
        )


def rules_of(settings: TargetSettings) -> Rules:
    """Return the rules that the settings give."""
    return Rules(tuple(map(read_rule, settings.allow)), tuple(map(read_rule, settings.deny)))


def _name(host: str) -> str:
    return host.lower().rstrip(".")
