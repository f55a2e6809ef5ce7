"""Spec 16, section 7: what members of the federation that is entered check."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import UNSET, structs
from tests.protocol.crossing import (
    DALE,
    EXPIRES_MS,
    HILL,
    REACH,
    SPAN,
    Agreed,
    Entry,
    World,
    bridged_in,
    came,
    export_in,
    offer,
    refused,
    terms_between,
    with_receipt,
)

from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId
from sheaf_protocol.envelope import SEALED, make_payload
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.records import Offer
from sheaf_protocol.sealing import Author, Sealed, open_private, seal_private
from sheaf_protocol.testing.author import TestCoop
from sheaf_protocol.testing.chain import tail_over
from sheaf_protocol.treaty import Crossed, Terms, check_export, check_import


def test_whole_entry_comes_across_as_its_author_signed_it(world: World, terms: Terms) -> None:
    entry = world.north.log(HILL).publish(offer())
    arrived = came(world, entry, terms)

    crossed = world.judge(arrived, terms)

    assert crossed.id == entry.id
    assert crossed.home == world.north.fid
    assert crossed.header.cid == HILL.cid
    assert crossed.record == offer()
    assert crossed.shown.payload == entry.payload
    assert crossed.via == (world.north.fid,)


def test_view_comes_across_without_what_the_treaty_removes(world: World) -> None:
    terms = terms_between(world.north, world.south, removed=["carriage"])
    entry = world.north.log(HILL).publish(offer())

    crossed = world.judge(came(world, entry, terms), terms)

    assert crossed.shown.is_view
    assert isinstance(crossed.record, Offer)
    assert crossed.record.tiers == offer().tiers


def test_entry_of_an_unknown_kind_comes_across_without_a_record(world: World, terms: Terms) -> None:
    entry = world.north.log(HILL).append("x.note", b"\x80")

    assert world.judge(came(world, entry, terms), terms).record is None


def test_unsigned_entry_is_proven_by_the_headers_after_it(world: World, terms: Terms) -> None:
    log = world.north.log(HILL)
    entry, later = log.publish(offer()), log.append("x.note", b"\x80")

    arrived = came(world, entry, terms, proof=tail_over([later]))

    assert world.judge(arrived, terms).id == entry.id


def test_any_bridge_of_the_treaty_brings_what_another_exported(world: World, terms: Terms) -> None:
    entry = world.north.log(HILL).publish(offer())
    bridged = bridged_in(came(world, entry, terms, bridge=REACH))

    header = came(world, entry, terms).header

    assert check_import(header, bridged, terms, world.control).id == entry.id


@pytest.mark.parametrize("level", ["pause", "end"])
def test_nothing_enters_while_the_treaty_is_paused(world: World, terms: Terms, level: Any) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    assert refused(world, arrived, terms_between(world.north, world.south, level)) == "bridge.level"


@pytest.mark.parametrize(
    ("level", "code"), [(None, "bridge.treaty"), ("pause", "bridge.level"), ("end", "bridge.level")]
)
def test_nothing_enters_that_the_federation_it_left_did_not_agree_to_let_go(
    world: World, terms: Terms, level: Any, code: str
) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    world.control = replace(
        world.control,
        federations={
            **world.control.federations,
            world.north.fid: Agreed(world.north.federation, level),
        },
    )

    assert refused(world, arrived, terms) == code


def test_import_that_names_another_treaty_is_refused(world: World, terms: Terms) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    other = terms_between(world.north, world.south, title="Another")

    assert refused(world, arrived, other) == "bridge.treaty"


def test_import_by_a_coop_that_is_no_bridge_is_refused(world: World, terms: Terms) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    header = structs.replace(arrived.header, cid=DALE.cid)

    entry = Entry(arrived.id, header, arrived.envelope)

    assert refused(world, entry, terms) == "bridge.treaty"


def test_import_into_a_federation_that_is_no_party_is_refused(world: World, terms: Terms) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    header = structs.replace(arrived.header, fid=world.east.fid)

    assert refused(world, Entry(arrived.id, header, arrived.envelope), terms) == "bridge.treaty"


@pytest.mark.parametrize("where", ["import", "receipt"])
def test_entry_that_crosses_after_the_treaty_expired_is_refused(
    world: World, terms: Terms, where: str
) -> None:
    land = world.south if where == "import" else world.north
    land.log(SPAN).now_ms = EXPIRES_MS + 1

    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    assert refused(world, arrived, terms) == "bridge.expired"


def test_altered_payload_is_not_the_one_its_author_signed(world: World, terms: Terms) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    payload = make_payload(encode(offer(ref="o9")), bytes(16))
    altered = structs.replace(bridged_in(arrived), payload=payload)

    assert refused(world, arrived, terms, altered) == "bridge.shown"
    assert refused(world, arrived, terms, with_receipt(world, altered)) == "bridge.origin"


def test_bridge_that_shows_one_thing_and_signs_for_another_is_caught_on_either_side(
    world: World,
) -> None:
    terms = terms_between(world.north, world.south, removed=["carriage"])
    entry = world.north.log(HILL).publish(offer())
    source = world.ask(entry, world.north, HILL)
    arrived = world.take(entry, source, terms, (world.north, world.south))
    cheap = offer(tiers=[structs.replace(offer().tiers[0], amount=1)])
    lie = make_payload(encode(structs.replace(cheap, carriage=UNSET)), bytes(16))
    lied = structs.replace(bridged_in(arrived), payload=lie)

    assert refused(world, arrived, terms, lied) == "bridge.shown"
    # To sign for the lie is to be blamed where the original is held.
    signed = with_receipt(world, lied)
    check_import(arrived.header, signed, terms, world.control)
    header, export = export_in(signed)
    with pytest.raises(RemoteProtocolError) as caught:
        check_export(header, export, terms, source)
    assert caught.value.code == "bridge.shown"


@pytest.mark.parametrize(("kinds", "kind"), [(["sealed"], "bridge.kind"), (["offer.submit"], None)])
def test_kind_that_the_treaty_does_not_list_is_refused(
    world: World, terms: Terms, kinds: list[str], kind: str | None
) -> None:
    entry = world.north.log(HILL).publish(offer())
    strict = terms_between(world.north, world.south, kinds=kinds)
    arrived = came(world, entry, terms)
    bridged = structs.replace(bridged_in(arrived), treaty=strict.id)
    bridged = with_receipt(world, bridged)

    if kind is None:
        assert check_import(arrived.header, bridged, strict, world.control)
    else:
        assert refused(world, arrived, strict, bridged) == kind


def test_kind_that_stays_at_home_enters_under_no_treaty(world: World, terms: Terms) -> None:
    # A re-foundation may list a treaty that nobody may adopt.
    loose = terms_between(world.north, world.south, kinds=["demand.submit"])
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    wish = world.north.log(HILL).append("demand.submit", b"\x80")
    bridged = structs.replace(
        bridged_in(arrived), treaty=loose.id, header=wish.header, payload=wish.payload
    )

    assert refused(world, arrived, loose, with_receipt(world, bridged)) == "bridge.kind"


@pytest.mark.parametrize(
    ("via", "code"),
    [
        (["south", "north"], "bridge.loop"),
        (["north", "east", "north"], "bridge.loop"),
        (["east", "north"], "bridge.origin"),
        (["north", "east"], "bridge.treaty"),
    ],
)
def test_way_that_cannot_have_been_is_refused(
    world: World, terms: Terms, via: list[str], code: str
) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    way = [getattr(world, name).fid for name in via]

    assert refused(world, arrived, terms, structs.replace(bridged_in(arrived), via=way)) == code


def test_way_longer_than_the_treaty_allows_is_refused(world: World) -> None:
    first, second = terms_between(world.north, world.east), terms_between(world.east, world.south)
    entry = world.north.log(HILL).publish(offer())
    hop = world.take(entry, world.ask(entry, world.north, HILL), first, (world.north, world.east))
    arrived = world.take(entry, world.go_on(hop, first), second, (world.east, world.south))
    short = terms_between(world.east, world.south, hops=1)

    bridged = structs.replace(bridged_in(arrived), treaty=short.id)

    assert world.judge(arrived, second).via == (world.north.fid, world.east.fid)
    assert refused(world, arrived, short, bridged) == "bridge.hops"


@pytest.mark.parametrize(
    ("payload", "is_view", "code"),
    [
        (b"\xc0", True, "bridge.view"),
        (b"\x80", True, "bridge.view"),
        (encode({"carriage": []}), True, "bridge.view"),
    ],
)
def test_view_that_is_no_record_blames_its_bridge(
    world: World, payload: bytes, is_view: bool, code: str
) -> None:
    terms = terms_between(world.north, world.south, removed=["carriage"])
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    view = make_payload(payload, bytes(16))
    bridged = structs.replace(bridged_in(arrived), payload=view, is_view=is_view)

    assert refused(world, arrived, terms, with_receipt(world, bridged)) == code


@pytest.mark.parametrize("kind", ["offer.submit", SEALED])
def test_whole_body_that_is_no_record_is_its_author_s_fault(
    world: World, terms: Terms, kind: str
) -> None:
    arrived = came(world, world.north.log(HILL).append(kind, b"\x80"), terms)

    assert refused(world, arrived, terms) == "schema.invalid"


def sealed_by(world: World, coop: TestCoop) -> bytes:
    author = Author(fid=world.north.fid, cid=coop.cid, wid=coop.wid)
    return seal_private(
        "order.place", [], b"\x80", [DALE.prekey[0]], author=author, random=bytes(range(56))
    )


def test_sealed_body_crosses_whole_and_its_recipient_opens_it(world: World, terms: Terms) -> None:
    entry = world.north.log(HILL).append(SEALED, sealed_by(world, HILL))

    crossed = world.judge(came(world, entry, terms), terms)

    assert isinstance(crossed.record, Sealed)
    origin = crossed.header
    author = Author(fid=origin.fid, cid=origin.cid, wid=origin.wid)
    public, secret = DALE.prekey
    inside = open_private(crossed.record, author=author, public=public, secret=secret)
    assert inside is not None
    assert inside.kind == "order.place"


def test_rank_prefers_whole_and_short_whatever_came_first(world: World, terms: Terms) -> None:
    entry = world.north.log(HILL).publish(offer())
    crossed = world.judge(came(world, entry, terms), terms)
    low, high = EntryId(bytes(32)), EntryId(b"\xff" * 32)

    def other(**changes: Any) -> Crossed:
        fields = {name: getattr(crossed, name) for name in Crossed.__dataclass_fields__}
        return Crossed(**{**fields, **changes})

    longer = other(via=(world.north.fid, world.east.fid))
    viewed = other(shown=type(crossed.shown)(payload=b"\x80", is_view=True))

    assert crossed.rank(high) < longer.rank(low) < viewed.rank(low)
    assert crossed.rank(low) < crossed.rank(high)
