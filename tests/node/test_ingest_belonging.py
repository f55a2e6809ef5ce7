"""Which federations are ours, and how much is kept of others."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.node.epochs import Growing, Site, open_ingest
from tests.node.taking import BODY

from sheaf_node.ingest.belonging import Belonging, Bounds
from sheaf_node.store import Store
from sheaf_protocol.charter import Chain
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import FederationId
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import START_MS, TestCoop, make_coop, make_federation
from sheaf_protocol.testing.epoch import about, admission, keys_of, make_epoch
from sheaf_protocol.treaty import Direction, Treaty


@pytest.fixture
async def outside(growing: Growing, tmp_path: Path) -> AsyncIterator[Site]:
    """The node of Lake, which no certificate names so far."""
    site = Site(growing, growing.lake, tmp_path)
    for coop in growing.everyone:
        await site.ingest.receive_key_ops(coop.cid, coop.key_ops)
    yield site
    await site.store.close()


async def test_a_federation_that_we_are_no_member_of_is_foreign(outside: Site) -> None:
    is_new = await outside.ingest.receive_certificate(outside.growing.genesis, wanted=True)

    assert is_new
    assert outside.ingest.federations == {}
    assert outside.ingest.known.foreign == {outside.growing.fid: outside.growing.chain.federation}


async def test_an_adopted_federation_is_ours_once_it_admits_us(outside: Site) -> None:
    growing, ingest = outside.growing, outside.ingest
    ingest.known.adopt(growing.fid)
    await ingest.receive_certificate(growing.genesis)
    before = set(ingest.federations)

    await outside.take(growing.next(admission(growing.lake, ["member"])))

    assert (before, set(ingest.federations), set(ingest.known.foreign)) == (
        set(),
        {growing.fid},
        set(),
    )
    assert ingest.known.adopted == {growing.fid}


async def test_a_federation_that_admits_us_unasked_stays_foreign(outside: Site) -> None:
    growing, ingest = outside.growing, outside.ingest
    await ingest.receive_certificate(growing.genesis, wanted=True)

    await outside.take(growing.next(admission(growing.lake, ["member"])))
    told = await outside.told(growing.author(growing.hill).append("x.note", BODY))

    assert set(ingest.known.foreign) == {growing.fid}
    assert told == [("held", "charter.unknown_federation")]


async def test_a_federation_is_ours_from_when_we_adopt_it(outside: Site) -> None:
    growing, control = outside.growing, outside.arrivals.control
    await outside.ingest.receive_certificate(growing.genesis, wanted=True)
    await outside.take(growing.next(admission(growing.lake, ["member"])))

    outside.ingest.known.adopt(growing.fid)

    assert set(outside.ingest.federations) == {growing.fid}
    assert outside.arrivals.control == control + 3


async def test_a_founder_that_was_expelled_still_knows_the_federation(
    growing: Growing, tmp_path: Path
) -> None:
    store = Store.open(tmp_path / "sheaf.db", random=bytes)
    ingest = open_ingest(store, growing.cove)
    for coop in growing.everyone:
        await ingest.receive_key_ops(coop.cid, coop.key_ops)

    for certificate in (growing.genesis, growing.next(about("expel", growing.cove))):
        await ingest.receive_certificate(certificate)

    assert not ingest.federations[growing.fid].is_member(growing.cove.cid)
    await store.close()


async def test_candidates_are_told_of_once(outside: Site) -> None:
    growing, ingest, control = outside.growing, outside.ingest, outside.arrivals.control
    cids = frozenset({growing.lake.cid})

    for welcomed in (cids, cids, frozenset[object]()):
        ingest.known.welcome(growing.fid, welcomed)

    assert ingest.known.candidates == {growing.fid: frozenset()}
    assert outside.arrivals.control == control + 2


# --- bounds


@pytest.mark.parametrize(
    ("bounds", "is_refused"),
    [
        (Bounds(federations=2, certificates=2, coops=5), False),  # all are reached
        (Bounds(federations=1), True),
        (Bounds(certificates=1), True),
        (Bounds(coops=4), True),
    ],
)
async def test_what_is_kept_of_foreign_federations_is_bounded(
    growing: Growing, bounds: Bounds, is_refused: bool
) -> None:
    other = Chain.of([make_federation([(make_coop("Far"), ["member"])], "Far")])
    held = {other.federation.fid: other, growing.fid: growing.chain}
    growing.next(about("suspend", growing.dale))
    belonging = Belonging(growing.lake.cid, bounds)

    try:
        belonging.require_room(held, growing.fid, growing.chain)
        refused = None
    except RemoteProtocolError as exc:
        refused = (exc.code, exc.fault)

    assert refused == (("charter.quota", Fault.NOT_YET) if is_refused else None)


async def test_federations_that_a_partner_leads_to_do_not_keep_out_another_partner() -> None:
    mill, far, *shams = (make_coop(name) for name in ("Mill", "Far", "Sham", "Third"))
    ours, partner, other, third = (
        Chain.of([make_federation([(coop, ["bridge", "member"])], coop.name)])
        for coop in (mill, far, *shams)
    )
    ours = _with_treaty(ours, partner, mill)
    held = {chain.federation.fid: chain for chain in (ours, other)}
    belonging = Belonging(mill.cid, Bounds(federations=1, coops=1))

    belonging.require_room(held, *_named(partner))
    with pytest.raises(RemoteProtocolError) as refusal:
        belonging.require_room(held, *_named(third))

    assert refusal.value.code == "charter.quota"


@pytest.mark.parametrize("name", ["mill", "lake"])
async def test_what_is_ours_or_adopted_has_no_bound(growing: Growing, name: str) -> None:
    belonging = Belonging(getattr(growing, name).cid, Bounds(0, 0, 0))
    belonging.adopted = frozenset({growing.fid}) if name == "lake" else frozenset()

    belonging.require_room({}, growing.fid, growing.chain)


def _named(chain: Chain) -> tuple[FederationId, Chain]:
    return chain.federation.fid, chain


def _with_treaty(chain: Chain, partner: Chain, bridge: TestCoop) -> Chain:
    """Return the chain with a certificate by which its federation has a treaty with another."""
    direction = Direction(
        categories=[], hops=1, ids=[], kinds=["x.note"], per_day=9, regions=[], removed=[]
    )
    treaty = Treaty(
        bridges=[bridge.cid],
        directions=[direction, direction],
        expires_ms=START_MS,
        nonce=bytes(16),
        parties=sorted([chain.federation.fid, partner.federation.fid]),
        title="Notes",
        v=1,
    )
    made = make_epoch(chain.federation, Change(action="treaty", treaty=encode(treaty)), [bridge])
    return chain.add(made, keys_of([bridge]))
