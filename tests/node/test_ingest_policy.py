"""A policy that was voted for is enforced on everybody's entries, and named to who breaks it."""

from collections.abc import Callable

import pytest
from tests.node.epochs import Site, open_curve, open_pool, policy, roles

from sheaf_node.ingest import Draft
from sheaf_protocol.envelope import Envelope, body_of
from sheaf_protocol.errors import LocalProtocolError
from sheaf_protocol.testing.author import LogAuthor
from sheaf_protocol.testing.epoch import about

BROKEN: list[tuple[Callable[[LogAuthor], Envelope], dict[str, object], str, str]] = [
    (
        lambda author: open_pool(author, fee_bps=600),
        {"fee_bps": 400},
        "policy.fee",
        "expected a fee of at most 400 basis points by policy version 1, got 600",
    ),
    (
        open_pool,
        {"modes": ["sealed"]},
        "policy.mode",
        "expected mode sealed by policy version 1, got open",
    ),
    (
        open_curve,
        {"modes": ["open"], "privacy": "open"},
        "policy.mode",
        "expected mode open by policy version 1, got sealed",
    ),
    (
        open_curve,
        {"k_min": 6},
        "policy.k_min",
        "expected at least 6 co-ops behind a curve by policy version 1, got 5",
    ),
    (
        open_curve,
        {"dominance_bps": 6_000},
        "policy.dominance",
        "expected at most 6000 basis points of a level for one co-op by policy version 1, got 7000",
    ),
]


async def publish(site: Site, envelope: Envelope) -> None:
    """Publish as our own what another author's entry says."""
    [opened] = site.ingest.open([envelope])
    kind = opened.header.kind
    await site.ingest.publish(site.growing.fid, [Draft(kind=kind, body=body_of(envelope.payload))])


@pytest.mark.parametrize(("make", "rules", "code", "sentence"), BROKEN)
async def test_what_breaks_the_policy_is_stored_without_effect_and_says_which_version(
    site: Site,
    make: Callable[[LogAuthor], Envelope],
    rules: dict[str, object],
    code: str,
    sentence: str,
) -> None:
    author = site.growing.author(site.growing.hill)
    await site.take(site.growing.next(policy(1, **rules), author))

    [result] = await site.ingest.receive([make(author)])

    assert (result.outcome.value, result.code, result.detail) == ("no_effect", code, sentence)
    assert site.effects() == [code]


@pytest.mark.parametrize(("make", "rules", "code", "sentence"), BROKEN)
async def test_what_breaks_the_policy_is_not_published(
    site: Site,
    make: Callable[[LogAuthor], Envelope],
    rules: dict[str, object],
    code: str,
    sentence: str,
) -> None:
    entry = make(site.growing.author(site.growing.mill))
    await site.take(site.growing.next(policy(1, **rules)))

    with pytest.raises(LocalProtocolError) as refusal:
        await publish(site, entry)

    assert (refusal.value.code, refusal.value.detail) == (code, sentence)
    assert site.store.arrival == 0


@pytest.mark.parametrize("make", [open_pool, open_curve])
async def test_what_keeps_to_the_policy_has_an_effect(
    site: Site, make: Callable[[LogAuthor], Envelope]
) -> None:
    assert await site.told(make(site.growing.author(site.growing.hill))) == [("new", None)]


async def test_a_policy_does_not_reach_below_its_lines(site: Site) -> None:
    author = site.growing.author(site.growing.hill)
    dear = open_pool(author, fee_bps=600)
    allowed = site.growing.next(policy(1, fee_bps=700), author)
    await site.take(allowed)

    told = await site.told(dear, open_pool(author, fee_bps=600))

    assert told == [("no_effect", "policy.fee"), ("new", None)]


async def test_a_role_that_is_missing_is_named_to_who_publishes(site: Site) -> None:
    growing = site.growing
    pool = open_pool(growing.author(growing.mill))
    await site.take(growing.next(roles(growing.mill, "member", "observer")))

    with pytest.raises(LocalProtocolError) as refusal:
        await publish(site, pool)

    assert refusal.value.code == "policy.role"
    assert refusal.value.detail.endswith("may publish pool.open, got member, observer")


async def test_a_suspended_coop_publishes_nothing_but_what_is_its_own_to_take_back(
    site: Site,
) -> None:
    growing = site.growing
    pool = open_pool(growing.author(growing.mill))
    await site.take(growing.next(about("suspend", growing.mill)))

    with pytest.raises(LocalProtocolError) as refusal:
        await publish(site, pool)

    assert refusal.value.code == "policy.suspended"
