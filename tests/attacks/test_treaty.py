"""Attacks on what crosses between federations, by bridges and by those who use them."""

from typing import Any

import pytest
from msgspec import structs
from tests.protocol.crossing import (
    HILL,
    SPAN,
    Land,
    World,
    bridged_in,
    offer,
    opened,
    terms_between,
    treaty_between,
)

from sheaf_protocol.charter import Chain
from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import decode_header
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.fork import verify_fork_proof
from sheaf_protocol.records.governance import Change
from sheaf_protocol.testing.author import LogAuthor, TestCoop, make_coop, make_federation
from sheaf_protocol.testing.chain import prove_fork
from sheaf_protocol.testing.epoch import keys_of, make_epoch
from sheaf_protocol.treaty import (
    DayCount,
    Source,
    Terms,
    check_export,
    check_import,
    plan_export,
    treaty_id,
)


def blamed_where_it_left(world: World, export: Any, terms: Terms, source: Source) -> str:
    """The code by which members of North refuse an export that a bridge signed."""
    envelope = world.north.log(SPAN).publish(export)
    with pytest.raises(RemoteProtocolError) as caught:
        check_export(decode_header(envelope.header), export, terms, source)
    return caught.value.code


def test_bridge_that_exports_what_nobody_asked_for_has_signed_the_evidence() -> None:
    # A bridge reads what all members read, and takes an offer abroad that its author keeps at home.
    world = World()
    terms = terms_between(world.north, world.south)
    asked_for = world.ask(world.north.log(HILL).publish(offer()), world.north, HILL)
    kept = world.north.log(HILL).publish(offer(ref="kept"))
    export, _ = plan_export(terms, asked_for)

    leak = structs.replace(export, entry=kept.id)

    assert blamed_where_it_left(world, leak, terms, asked_for) == "bridge.unasked"


def test_bridge_that_shows_a_removed_field_has_signed_the_evidence() -> None:
    # A bridge shows the whole offer where the treaty lets it be seen without its carriage.
    world = World()
    terms = terms_between(world.north, world.south, removed=["carriage"])
    source = world.ask(world.north.log(HILL).publish(offer()), world.north, HILL)
    export, _ = plan_export(terms, source)

    leak = structs.replace(export, shown=source.shown.hash)

    assert blamed_where_it_left(world, leak, terms, source) == "bridge.shown"


def test_bridge_that_hides_its_export_at_home_leaves_a_fork_proof() -> None:
    # A bridge shows South a receipt that it never publishes in North, and goes on in North with
    # another entry at its place.
    world = World()
    terms = terms_between(world.north, world.south)
    source = world.ask(world.north.log(HILL).publish(offer()), world.north, HILL)
    export, _ = plan_export(terms, source)
    hidden = world.north.log(SPAN).twin().publish(export)
    published = world.north.log(SPAN).publish(structs.replace(export, is_onward=False))

    proof = prove_fork(hidden, published)

    assert verify_fork_proof(proof).wid == SPAN.wid


def test_treaty_cannot_let_single_demand_abroad() -> None:
    # A majority votes for a treaty that would show another federation what each co-op wants.
    world = World()
    bridge, member = SPAN, make_coop("Tarset Bakery")
    genesis = make_federation([(bridge, ["bridge"]), (member, ["member"])])
    chain = Chain.found(genesis, keys_of([bridge, member]))
    treaty = treaty_between(world.north, world.south, bridges=[bridge.cid], kinds=["demand.submit"])
    body = encode(structs.replace(treaty, parties=sorted([genesis.fid, world.south.fid])))

    with pytest.raises(RemoteProtocolError) as caught:
        make_epoch(chain.federation, Change(action="treaty", treaty=body), [member])

    assert caught.value.code == "treaty.kinds"


def federation_with_treaty(member: TestCoop, land: Land) -> tuple[Chain, bytes, LogAuthor]:
    """A federation that adopted a treaty, its body, and its bridge's log."""
    genesis = make_federation([(SPAN, ["bridge"]), (member, ["member"])])
    chain = Chain.found(genesis, keys_of([SPAN, member]))
    log = LogAuthor(SPAN, genesis.fid)
    treaty = treaty_between(land, land, bridges=[SPAN.cid], parties=sorted([genesis.fid, land.fid]))
    change = Change(action="treaty", treaty=encode(treaty))
    certificate = make_epoch(chain.federation, change, [member], lines=[log])
    return chain.add(certificate, keys_of([SPAN, member])), encode(treaty), log


def test_bridge_that_goes_on_after_a_pause_takes_nothing_across_whatever_it_dates_back() -> None:
    # Members pause a treaty; the bridge writes on and says that it was before.
    world, member = World(), make_coop("Tarset Bakery")
    chain, body, log = federation_with_treaty(member, world.south)
    before = opened(log.append("bridge.export", b"\x80")).header
    pause = Change(action="treaty_level", level="pause", treaty_id=treaty_id(body))
    certificate = make_epoch(chain.federation, pause, [member], lines=[log])
    after = opened(log.append("bridge.export", b"\x80")).header

    federation = chain.add(certificate, keys_of([SPAN, member])).federation

    levels = [
        [treaty.level for treaty in federation.standing(SPAN.cid, SPAN.wid, header.seq).treaties]
        for header in (before, after)
    ]
    assert levels == [["allow"], ["pause"]]
    assert after.time_ms == before.time_ms


def test_offer_that_a_bridge_made_up_is_nobodys() -> None:
    # A bridge wraps an offer that no member of the other federation ever wrote.
    world = World()
    terms = terms_between(world.north, world.south)
    log = LogAuthor(HILL, world.north.fid, writer=SPAN.writer)
    made_up = log.publish(offer(ref="made up"))
    source = world.ask(made_up, world.north, HILL)

    came = world.take(made_up, source, terms, (world.north, world.south))

    with pytest.raises(RemoteProtocolError) as caught:
        check_import(came.header, bridged_in(came), terms, world.control)
    assert caught.value.code == "bridge.unknown"


def test_flood_over_a_bridge_counts_up_to_the_treatys_rate() -> None:
    # A bridge takes a thousand entries across on one day.
    world = World()
    terms = terms_between(world.north, world.south)
    most = terms.most(terms.treaty.direction(world.north.fid))
    count = DayCount()
    for _ in range(most):
        count.add(0, most)

    for _ in range(1_000):
        with pytest.raises(RemoteProtocolError) as caught:
            count.add(0, most)

        assert caught.value.code == "bridge.rate"
