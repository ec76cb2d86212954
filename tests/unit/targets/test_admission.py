"""Which hosts may be scraped, by name and by address, however the address is written."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitord.documents.networks import read_rule
from monitord.errors import InvalidFileError
from monitord.session.settings import TargetSettings
from monitord.targets.address import check_host
from monitord.targets.admission import Rules, Verdict, rules_of
from monitord.targets.parse import parse
from monitord.targets.resolve import Place

DEFAULT = rules_of(TargetSettings())
METADATA = "169.254.169.254"


def rules(allow: str = "", deny: str = "") -> Rules:
    return Rules(tuple(map(read_rule, allow.split())), tuple(map(read_rule, deny.split())))


def admits(given_rules: Rules, host: str, *addresses: str) -> bool:
    return not given_rules.judge(host, {host: addresses} if addresses else {}).reason


@pytest.mark.parametrize(
    "host",
    [
        METADATA, "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "0:0:0:0:0:ffff:a9fe:a9fe", "fe80::1",
        "fe80::1%eth0", "::ffff:169.254.169.254%eth0", "fd00:ec2::254", "fd00:0ec2:0:0::254",
        "100.100.100.200", "metadata.google.internal", "Metadata.Google.Internal",
        "metadata.google.internal.", "metadata.",
    ],
)  # fmt: skip
def test_what_a_cloud_tells_its_machines_is_denied_by_default(host: str) -> None:
    assert not admits(DEFAULT, host)


@pytest.mark.parametrize(
    "host", ["mel0042", "10.1.2.3", "127.0.0.1", "::1", "localhost", "fd00::1", "h.evil.org"]
)
def test_everything_else_is_allowed_by_default(host: str) -> None:
    assert admits(DEFAULT, host)


@pytest.mark.parametrize(
    "host",
    [
        "2852039166", "0xa9fea9fe", "0XA9FEA9FE", "169.254.43518", "0251.0376.0251.0376", "169.16689662",
        "169.254.169.254.", "0xa9.0xfe.0xa9.0xfe", "127.1", "010.0.0.1", "1.2.3.4.5", "256.1.1.1", "0x",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "text",
    [
        "exporters: {{a: '{0}:1'}}",
        "exporters: {{a: 'http://{0}:1/'}}",
        "services: [{{name: a, endpoint: 'http://{0}/'}}]",
        "node: '{0}'",
        "host: '{0}'",
        "nodes: '{0}'",
    ],
)
def test_an_address_that_only_some_programs_read_is_no_host(host: str, text: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        parse(text.format(host).encode(), "c1.yaml", "s", Place("h"))
    assert "ends in a number but is not an IPv4 address" in str(caught.value)


def test_deny_beats_allow() -> None:
    both = rules("10.0.0.0/8 mel*", "10.6.6.0/24 *6")
    assert admits(both, "10.1.2.3")
    assert not admits(both, "10.6.6.6")
    assert admits(both, "mel5", "192.0.2.1")
    assert not admits(both, "mel6")
    assert not admits(both, "mel5", "10.6.6.1")


def test_a_name_is_denied_for_any_of_its_addresses_and_allowed_for_all_of_them() -> None:
    assert not admits(DEFAULT, "rebound.evil.org", "10.0.0.1", METADATA)
    assert not admits(DEFAULT, "rebound.evil.org", "fe80::1%eth0")
    assert admits(rules("10.0.0.0/8"), "h", "10.0.0.1", "10.0.0.2")
    assert not admits(rules("10.0.0.0/8"), "h", "10.0.0.1", "192.0.2.1")


def test_a_name_without_an_address_is_in_no_network_and_is_asked_about_again() -> None:
    assert DEFAULT.judge("h", {}) == Verdict("", is_open=True)
    verdict = rules("10.0.0.0/8").judge("h", {})
    assert verdict.is_open
    assert "h may not be scraped yet: it does not resolve" in verdict.reason
    # No address would change what patterns say.
    assert rules("mel*").judge("h", {}) == Verdict(rules("mel*").judge("h", {}).reason)
    assert rules("mel* 10.0.0.0/8").judge("mel1", {}).reason == ""


@pytest.mark.parametrize(
    ("given_rules", "host", "addresses", "told"),
    [
        (DEFAULT, METADATA, (), f"{METADATA} is in 169.254.0.0/16, which targets.deny lists"),
        (
            DEFAULT,
            "x.evil.org",
            (METADATA,),
            f"x.evil.org may not be scraped: {METADATA} is in",
        ),
        (DEFAULT, "metadata", (), "targets.deny lists metadata;"),
        (rules(deny="*.Evil.org"), "x.evil.org", (), "targets.deny lists *.Evil.org;"),
        (rules("mel*"), "gpu1", (), "targets.allow does not list it"),
    ],
)
def test_a_refusal_says_which_rule_it_was(
    given_rules: Rules, host: str, addresses: tuple[str, ...], told: str
) -> None:
    reason = given_rules.judge(host, {host: addresses}).reason
    assert told in reason
    assert "scrape another host, or ask the owner of the daemon to change that setting" in reason


def test_only_names_are_resolved_and_only_where_addresses_matter() -> None:
    hosts = ["mel1", "10.0.0.1", "::1", "localhost", "fe80::1%eth0"]
    assert DEFAULT.to_resolve(hosts) == {"mel1"}
    assert rules("mel*", "*.evil.org").to_resolve(hosts) == set()
    assert rules().to_resolve(hosts) == set()


def test_this_machine_is_this_machine_by_every_name() -> None:
    local = rules(deny="127.0.0.0/8 ::1")
    assert not any(
        admits(local, host) for host in ("127.0.0.1", "::1", "::", "0.0.0.0", "localhost", "LOCALHOST.")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.1.2.3/8", "has bits set beyond its prefix; write 10.0.0.0/8"),
        ("10.0.0.0/33", "is not a network; write one as 10.0.0.0/8"),
        ("mel/8", "is not a network"),
        ("10.0.0", "is not a network, address or host pattern"),
        ("0xa9fea9fe", "is not a network, address or host pattern"),
        ("a b", "is not a network, address or host pattern"),
        ("http://h", "is not a network"),
        ("h:9100", "is not a network, address or host pattern"),
        ("", "is not a network, address or host pattern"),
    ],
)
def test_a_rule_that_could_not_cover_what_it_means_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_rule(text)


# --- whatever the address

ipv4 = st.ip_addresses(v=4)
networks = st.builds(
    lambda address, bits: ipaddress.ip_network((address, bits), strict=False), ipv4, st.integers(0, 32)
)


def spellings(address: ipaddress.IPv4Address) -> list[str]:
    mapped = ipaddress.IPv6Address(0xFFFF << 32 | int(address))
    return [
        str(address),
        f"::ffff:{address}",
        str(mapped),
        mapped.exploded,
        f"::FFFF:{address}",
        f"{mapped}%eth0",
    ]


@given(ipv4, networks)
def test_a_network_covers_an_address_in_every_spelling_or_in_none(
    address: ipaddress.IPv4Address, network: Any
) -> None:
    for text in (str(network), f"::ffff:{network.network_address}/{96 + network.prefixlen}"):
        denied = [not admits(rules(deny=text), host) for host in spellings(address)]
        denied += [not admits(rules(deny=text), "name", host) for host in spellings(address)]
        inside = address in network or (
            address.is_unspecified and ipaddress.ip_address("127.0.0.1") in network
        )
        assert set(denied) == {inside}


names = st.from_regex(r"[a-z]([a-w0-9.-]{0,8}[a-w])?", fullmatch=True)  # no x: nothing is hexadecimal
rule_lists = st.lists(
    st.one_of(networks.map(str), names, names.map(lambda name: f"*{name}"), st.just("*")), max_size=3
)
hosts = st.one_of(names, ipv4.map(str), st.ip_addresses(v=6).map(str))
found = st.lists(st.ip_addresses().map(str), max_size=2)


@given(rule_lists, rule_lists, hosts, found)
def test_more_denied_never_admits_and_more_allowed_never_refuses(
    allow: list[str], deny: list[str], host: str, addresses: list[str]
) -> None:
    known = {host: tuple(addresses)} if addresses else {}

    def admitted(allowed: list[str], denied: list[str]) -> bool:
        return not rules(" ".join(allowed), " ".join(denied)).judge(host, known).reason

    assert not admitted(allow, [*deny, host])
    for index in range(len(deny)):
        assert admitted(allow, deny) <= admitted(allow, deny[:index] + deny[index + 1 :])
    if allow:
        assert admitted(allow[:1], deny) <= admitted(allow, deny) <= admitted([], deny)
        assert admitted(allow, []) or not admitted(allow, deny)


numbers = st.from_regex(r"[0-9a-fx.]{1,24}", fullmatch=True)
quads = st.from_regex(r"([0-9]{1,3}\.){3}[0-9]{1,3}", fullmatch=True)


@given(numbers | quads)
@example("255.255.255.255")
@example("1.2.3.4 x")
def test_what_ends_in_a_number_is_a_host_only_as_the_address_that_everybody_reads(text: str) -> None:
    try:
        check_host(text)
    except ValueError:
        return
    try:
        resolved = ipaddress.ip_address(socket.inet_ntoa(socket.inet_aton(text)))
    except OSError:
        return  # the C library reads no address in it
    assert resolved == ipaddress.ip_address(text)
