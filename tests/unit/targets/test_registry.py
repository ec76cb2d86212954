"""What is in force: by hand for each rule, and as properties of any history."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from monitord.errors import Problem
from monitord.targets.model import Endpoint, Registration
from monitord.targets.registry import Registry, Seen, State, next_expiry, restored, slurm_jobs, update

NOW = 1000.0
NOBODY: frozenset[str] = frozenset()
BAD = (Problem(3, 1, "client", "is bad"),)


def endpoint(service: str, client: str = "c1") -> Endpoint:
    labels = {"job": service, "service": service, "client": client, "instance": "h:1"}
    return Endpoint(f"http://h:1/{service}", labels, place=(4, 7))


def registration(
    file: str, *services: str, version: str = "v1", lease: float | None = None, job: str | None = None
) -> Registration:
    endpoints = tuple(endpoint(service) for service in services)
    return Registration(file, "c1", endpoints, f"{file}:{version}:{services}", lease, job)


def good(file: str, *services: str, at: float = NOW, version: str = "v1",
         lease: float | None = None, job: str | None = None) -> Seen:  # fmt: skip
    return Seen(file, at, registration(file, *services, version=version, lease=lease, job=job))


def bad(file: str, at: float = NOW) -> Seen:
    return Seen(file, at, None, BAD)


def look(registry: Registry, *seen: Seen, gone: tuple[str, ...] = (), ended: frozenset[str] = NOBODY,
         now: float = NOW) -> Registry:  # fmt: skip
    return update(registry, seen, gone, ended, now)[0]


def services_in_force(registry: Registry) -> dict[str, list[str]]:
    return {
        file: [endpoint.labels["job"] for endpoint in item.endpoints]
        for file, item in registry.in_force().items()
    }


# --- the last good version


def test_a_version_that_is_not_admitted_leaves_the_last_good_one_in_force_unless_it_revokes_it() -> None:
    first = look(Registry(), good("a", "x"), good("b", "y"))
    refused = replace(good("a", "x", "y", at=NOW + 5, version="v2"), problems=BAD)
    second = look(first, refused, now=NOW + 5)
    assert second.in_force() == first.in_force()
    assert second.entries["a"].problems == BAD
    third = look(second, gone=("b",), now=NOW + 6)
    assert services_in_force(third) == {"a": ["x"]}, "what is not admitted takes over from nobody"
    fourth = look(third, replace(refused, revokes="is denied"), now=NOW + 7)
    assert services_in_force(fourth) == {}
    entry = fourth.entries["a"]
    assert (entry.state, entry.reason, entry.accepted_at) == (State.REFUSED, "is denied", None)
    fifth = look(fourth, good("a", "x", at=NOW + 8), now=NOW + 8)
    assert services_in_force(fifth) == {"a": ["x"]}
    assert (fifth.entries["a"].state, fifth.entries["a"].reason) == (State.ACCEPTED, "")


def test_a_refused_newer_version_leaves_the_last_good_one_in_force() -> None:
    first = look(Registry(), good("a", "x"))
    second = look(first, bad("a", NOW + 5), now=NOW + 5)
    assert second.in_force() == first.in_force()
    assert (second.entries["a"].state, second.entries["a"].problems) == (State.REFUSED, BAD)
    assert second.entries["a"].accepted_at == NOW
    assert look(second, good("a", "x"), now=NOW + 9).entries["a"].state is State.ACCEPTED


def test_a_newer_version_replaces_the_last_one() -> None:
    registry = look(look(Registry(), good("a", "x")), good("a", "y", version="v2"), now=NOW + 5)
    assert services_in_force(registry) == {"a": ["y"]}
    assert registry.entries["a"].accepted_at == NOW + 5


def test_a_touch_does_not_accept_anew() -> None:
    registry = look(look(Registry(), good("a", "x")), good("a", "x", at=NOW + 5), now=NOW + 5)
    assert registry.entries["a"].accepted_at == NOW


def test_only_deletion_withdraws() -> None:
    registry = look(Registry(), good("a", "x"), good("b", "y"))
    assert services_in_force(look(registry, now=NOW + 10**9)) == {"a": ["x"], "b": ["y"]}
    assert services_in_force(look(registry, gone=("a",))) == {"b": ["y"]}
    assert services_in_force(look(registry, gone=("other",))) == {"a": ["x"], "b": ["y"]}


# --- one service, one file


def test_the_file_that_came_first_keeps_the_service_and_the_other_is_told() -> None:
    first, second = good("b", "x", at=NOW), good("a", "x", at=NOW + 1)
    for registry in (
        look(Registry(), first, second),
        look(Registry(), second, first),
        look(look(Registry(), first), second),
    ):
        assert services_in_force(registry) == {"b": ["x"]}
        [problem] = registry.entries["a"].problems
        assert str(problem) == "4:7: x of client c1 is already registered by b; rename it or remove that file"


def test_what_was_accepted_first_stays_also_when_the_other_file_is_older() -> None:
    registry = look(look(Registry(), good("b", "x", at=NOW)), good("a", "x", at=NOW - 500))
    assert services_in_force(registry) == {"b": ["x"]}


def test_a_newer_version_never_takes_a_service_that_another_file_holds() -> None:
    registry = look(Registry(), good("a", "x", at=NOW), good("b", "y", at=NOW + 1))
    registry = look(registry, good("a", "x", "y", version="v2"))
    assert services_in_force(registry) == {"a": ["x"], "b": ["y"]}
    assert registry.entries["a"].state is State.REFUSED
    assert registry.entries["b"].state is State.ACCEPTED


def test_the_loser_takes_over_when_the_owner_lets_go() -> None:
    both = look(Registry(), good("a", "x", lease=60.0, job="7"), good("b", "x", at=NOW + 1))
    for registry in (
        look(both, gone=("a",)),
        look(both, good("a", "z", version="v2")),
        look(both, now=NOW + 60),
        look(both, ended=frozenset({"7"})),
    ):
        assert services_in_force(registry)["b"] == ["x"]
        assert registry.entries["b"].problems == ()


def test_a_chain_of_hand_overs_settles_in_one_look() -> None:
    registry = look(Registry(), good("a", "1", at=1), good("b", "2", at=2), good("c", "3", at=3))
    wanted = (good("a", "2", version="v2"), good("b", "3", version="v2"), good("c", "4", version="v2"))
    for seen in itertools.permutations(wanted):
        assert services_in_force(look(registry, *seen)) == {"a": ["2"], "b": ["3"], "c": ["4"]}


# --- leases and jobs


def test_a_lease_runs_out_and_a_touch_renews_it() -> None:
    registry = look(Registry(), good("a", "x", lease=60.0))
    assert next_expiry(registry, NOW) == NOW + 60
    assert services_in_force(look(registry, now=NOW + 59.9)) == {"a": ["x"]}
    over = look(registry, now=NOW + 60)
    assert services_in_force(over) == {}
    assert (over.entries["a"].state, over.entries["a"].accepted_at) == (State.WITHDRAWN, None)
    assert over.entries["a"].reason == "the lease expired: the file was not touched in time"
    assert next_expiry(over, NOW + 60) is None
    renewed = look(over, good("a", "x", at=NOW + 100, lease=60.0), now=NOW + 101)
    assert services_in_force(renewed) == {"a": ["x"]}
    assert renewed.entries["a"].accepted_at == NOW + 101


def test_a_refused_version_is_touched_as_well() -> None:
    registry = look(Registry(), good("a", "x", lease=60.0))
    registry = look(registry, bad("a", NOW + 50), now=NOW + 50)
    assert services_in_force(look(registry, now=NOW + 100)) == {"a": ["x"]}
    assert services_in_force(look(registry, now=NOW + 110)) == {}


def test_the_lease_and_the_job_are_those_of_the_version_in_force() -> None:
    registry = look(Registry(), good("a", "x", lease=60.0, job="7"), good("b", "y"))
    registry = look(registry, good("a", "y", version="v2", job="8"))  # refused: b holds y
    assert slurm_jobs(registry) == {"7", "8"}
    assert next_expiry(registry, NOW) == NOW + 60
    assert services_in_force(look(registry, ended=frozenset({"7"}))) == {"b": ["y"]}
    assert services_in_force(look(registry, now=NOW + 60)) == {"b": ["y"]}


def test_an_ended_job_withdraws_its_files_only() -> None:
    registry = look(Registry(), good("a", "x", job="7"), good("b", "y", job="8"), ended=frozenset({"7"}))
    assert services_in_force(registry) == {"b": ["y"]}
    assert registry.entries["a"].reason == "Slurm job 7 has left the queue"


def test_the_jobs_of_files_just_read_are_known_before_they_are_in_force() -> None:
    assert slurm_jobs(Registry(), [good("a", "x", job="7"), bad("b")]) == {"7"}


# --- any history


def outcomes(registry: Registry) -> dict[str, object]:
    """What was decided; of several reasons for the same end, the first one stands."""
    return {
        file: (entry.in_force, entry.accepted_at, entry.problems, bool(entry.reason))
        for file, entry in registry.entries.items()
    }


History = list[tuple[list[Seen], list[str], frozenset[str]]]

files = st.sampled_from(["a", "b", "c", "d"])
good_files = st.builds(
    lambda file, services, at, version, lease, job: good(
        file, *services, at=at, version=version, lease=lease, job=job
    ),
    files,
    st.lists(st.sampled_from(["x", "y", "z"]), unique=True, max_size=3),
    st.floats(NOW - 100, NOW + 100),
    st.sampled_from(["v1", "v2"]),
    st.sampled_from([None, 50.0]),
    st.sampled_from([None, "7"]),
)
looks = st.tuples(
    st.lists(good_files | st.builds(bad, files), max_size=4, unique_by=lambda seen: seen.file),
    st.lists(files, max_size=2, unique=True),
    st.sampled_from([NOBODY, NOBODY, NOBODY, frozenset({"7"})]),
)
histories = st.lists(looks, max_size=8)


@given(histories)
def test_no_two_files_in_force_share_a_service(history: History) -> None:
    registry = Registry()
    for step, (seen, gone, ended) in enumerate(history):
        registry, _ = update(registry, seen, gone, ended, NOW + 20 * step)
        identities = [e.identity for item in registry.in_force().values() for e in item.endpoints]
        assert len(set(identities)) == len(identities)


@given(histories)
def test_what_was_not_decided_again_need_not_have_been(history: History) -> None:
    registry = Registry()
    for step, (seen, gone, ended) in enumerate(history):
        now = NOW + 20 * step
        after, changed = update(registry, seen, gone, ended, now)
        files = registry.entries.keys() | after.entries.keys()
        assert changed == {file for file in files if registry.entries.get(file) != after.entries.get(file)}
        everything = [entry.seen for entry in after.entries.values()]
        again, _ = update(after, everything, (), ended, now)
        assert outcomes(again) == outcomes(after)
        rebuilt = restored(after.entries.values())
        assert (rebuilt.owners, rebuilt.lease_ends, rebuilt.jobs) == (
            after.owners, after.lease_ends, after.jobs,
        )  # fmt: skip
        registry = after


@given(histories)
def test_nothing_leaves_without_a_reason(history: History) -> None:
    registry = Registry()
    for step, (seen, gone, ended) in enumerate(history):
        now = NOW + 20 * step
        after, _ = update(registry, seen, gone, ended, now)
        read = {item.file: item for item in seen}
        for file, before in registry.in_force().items():
            kept = after.in_force().get(file)
            if kept == before:
                continue
            newest = read.get(file) or registry.entries[file].seen
            replaced = newest.registration is not None and kept == newest.registration
            over = after.entries[file].reason if file in after.entries else ""
            assert file in gone or replaced or over, (file, before, kept)
        registry = after


@given(histories)
def test_a_look_at_nothing_new_changes_nothing(history: History) -> None:
    registry = Registry()
    for step, (seen, gone, ended) in enumerate(history):
        now = NOW + 20 * step
        registry, _ = update(registry, seen, gone, ended, now)
        assert update(registry, (), (), ended, now) == (registry, frozenset())


@given(histories)
def test_the_order_in_which_files_are_read_does_not_matter(history: History) -> None:
    registry = Registry()
    for step, (seen, gone, ended) in enumerate(history):
        now = NOW + 20 * step
        after, _ = update(registry, seen, gone, ended, now)
        assert update(registry, reversed(seen), reversed(gone), ended, now)[0].entries == after.entries
        registry = after
