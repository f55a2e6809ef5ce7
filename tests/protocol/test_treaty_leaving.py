"""Spec 16, section 5: what members of the federation that is left check."""

import dataclasses
from typing import Any

import pytest
from msgspec import structs
from tests.protocol.crossing import (
    EXPIRES_MS,
    HILL,
    REACH,
    SPAN,
    World,
    offer,
    terms_between,
)

from sheaf_protocol.digest import Digest, EntryId
from sheaf_protocol.envelope import Envelope, Header, decode_header
from sheaf_protocol.errors import LocalProtocolError, RemoteProtocolError
from sheaf_protocol.records.bridge import BridgeAsk, BridgeExport
from sheaf_protocol.treaty import Source, Terms, asked, check_export, plan_export


@pytest.fixture
def entry(world: World) -> Envelope:
    return world.north.log(HILL).publish(offer())


def export_header(world: World, coop: Any = SPAN, **changes: Any) -> Header:
    """The header that an export of this bridge would have."""
    header = decode_header(world.north.log(coop).twin().append("bridge.export", b"\x80").header)
    return structs.replace(header, **changes)


def blamed(header: Header, export: BridgeExport, terms: Terms, source: Source) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        check_export(header, export, terms, source)
    return caught.value.code


def unplanned(terms: Terms, source: Source) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        plan_export(terms, source)
    return caught.value.code


def test_honest_export_is_what_any_member_makes_of_the_entry(world: World, entry: Envelope) -> None:
    terms = terms_between(world.north, world.south, removed=["lead_days"])
    source = world.ask(entry, world.north, HILL)

    export, shown = plan_export(terms, source)

    check_export(export_header(world), export, terms, source)
    assert (export.into, export.shown, shown.is_view) == (world.south.fid, shown.hash, True)


@pytest.mark.parametrize("level", ["pause", "end"])
def test_nothing_leaves_while_the_treaty_is_paused(
    world: World, entry: Envelope, level: Any
) -> None:
    source = world.ask(entry, world.north, HILL)
    terms = terms_between(world.north, world.south, level)
    export, _ = plan_export(terms, source)

    assert blamed(export_header(world), export, terms, source) == "bridge.level"


def test_nothing_leaves_after_the_treaty_expired(world: World, entry: Envelope) -> None:
    source = world.ask(entry, world.north, HILL)
    terms = terms_between(world.north, world.south)
    export, _ = plan_export(terms, source)

    check_export(export_header(world, time_ms=EXPIRES_MS), export, terms, source)
    late = export_header(world, time_ms=EXPIRES_MS + 1)
    assert blamed(late, export, terms, source) == "bridge.expired"


def test_export_by_another_coop_than_a_bridge_is_refused(world: World, entry: Envelope) -> None:
    source = world.ask(entry, world.north, HILL)
    terms = terms_between(world.north, world.south, bridges=[SPAN.cid])
    export, _ = plan_export(terms, source)

    header = export_header(world, REACH)
    assert blamed(header, export, terms, source) == "bridge.treaty"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"treaty": Digest(bytes(32))}, "bridge.treaty"),
        ({"into": bytes(32)}, "bridge.treaty"),
        ({"entry": EntryId(bytes(32))}, "bridge.unasked"),
        ({"granted_by": EntryId(bytes(32))}, "bridge.unasked"),
        ({"is_onward": False}, "bridge.unasked"),
        ({"shown": Digest(bytes(32))}, "bridge.shown"),
    ],
)
def test_export_that_says_something_else_blames_its_bridge(
    world: World, entry: Envelope, changes: Any, code: str
) -> None:
    source = world.ask(entry, world.north, HILL)
    terms = terms_between(world.north, world.south)
    export, _ = plan_export(terms, source)

    said = structs.replace(export, **changes)

    assert blamed(export_header(world), said, terms, source) == code


def test_export_that_shows_a_removed_key_blames_its_bridge(world: World, entry: Envelope) -> None:
    source = world.ask(entry, world.north, HILL)
    terms = terms_between(world.north, world.south, removed=["lead_days"])
    export, _ = plan_export(terms, source)

    said = structs.replace(export, shown=source.shown.hash)

    assert blamed(export_header(world), said, terms, source) == "bridge.shown"


def test_export_of_another_federation_than_the_treaty_s_is_refused(
    world: World, entry: Envelope
) -> None:
    source = world.ask(entry, world.north, HILL)
    terms = terms_between(world.north, world.south)
    export, _ = plan_export(terms, source)

    header = export_header(world, fid=world.east.fid)
    assert blamed(header, export, terms, source) == "bridge.treaty"


def test_ask_of_another_coop_lets_nothing_cross(world: World, entry: Envelope) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        world.ask(entry, world.north, SPAN)

    assert caught.value.code == "bridge.unasked"


def test_ask_for_another_entry_lets_nothing_cross(world: World, entry: Envelope) -> None:
    other = world.north.log(HILL).publish(offer(ref="o2"))
    header = decode_header(other.header)
    ask = (EntryId(bytes(32)), header, BridgeAsk(entry=entry.id))

    with pytest.raises(RemoteProtocolError) as caught:
        asked(other.id, header, other.payload, ask)

    assert caught.value.code == "bridge.unasked"


def test_ask_for_one_federation_lets_it_into_no_other(world: World, entry: Envelope) -> None:
    source = world.ask(entry, world.north, HILL, into=world.south.fid)

    export, _ = plan_export(terms_between(world.north, world.south), source)

    assert not export.is_onward
    assert unplanned(terms_between(world.north, world.east), source) == "bridge.unasked"


def test_kind_that_the_treaty_does_not_list_stays(world: World, entry: Envelope) -> None:
    source = world.ask(entry, world.north, HILL)

    terms = terms_between(world.north, world.south, kinds=["sealed"])

    assert unplanned(terms, source) == "bridge.kind"


@pytest.mark.parametrize("kind", ["ballot.vote", "charter.accept", "demand.submit"])
def test_kind_that_stays_at_home_leaves_under_no_treaty(
    world: World, entry: Envelope, kind: str
) -> None:
    # A re-foundation may list a treaty that nobody may adopt.
    source = dataclasses.replace(world.ask(entry, world.north, HILL), kind=kind)
    terms = terms_between(world.north, world.south, kinds=[kind])

    assert unplanned(terms, source) == "bridge.kind"


def test_entry_goes_on_by_what_the_receipt_says(world: World, entry: Envelope) -> None:
    first, second = (
        terms_between(world.north, world.south, removed=["lead_days"]),
        terms_between(world.south, world.east, removed=["carriage"]),
    )
    source = world.ask(entry, world.north, HILL)
    came = world.take(entry, source, first, (world.north, world.south))

    export, shown = plan_export(second, world.go_on(came, first))

    assert (export.entry, export.granted_by) == (entry.id, came.id)
    assert b"carriage" not in shown.body
    assert b"lead_days" not in shown.body


def test_entry_that_was_asked_into_one_federation_goes_no_further(
    world: World, entry: Envelope
) -> None:
    terms = terms_between(world.north, world.south)
    source = world.ask(entry, world.north, HILL, into=world.south.fid)
    came = world.take(entry, source, terms, (world.north, world.south))

    with pytest.raises(RemoteProtocolError) as caught:
        world.go_on(came, terms)

    assert caught.value.code == "bridge.unasked"


def test_treaty_that_allows_one_hop_takes_no_entry_that_made_one(
    world: World, entry: Envelope
) -> None:
    first = terms_between(world.north, world.south)
    came = world.take(entry, world.ask(entry, world.north, HILL), first, (world.north, world.south))

    terms = terms_between(world.south, world.east, hops=1)

    assert unplanned(terms, world.go_on(came, first)) == "bridge.hops"


def test_entry_too_large_for_its_wrapping_is_not_sent(world: World) -> None:
    terms = terms_between(world.north, world.south)
    large = world.north.log(HILL).append("x.note", b"\xc5\xff\x00" + bytes(0xFF00))

    with pytest.raises(LocalProtocolError) as caught:
        world.take(large, world.ask(large, world.north, HILL), terms, (world.north, world.south))

    assert caught.value.code == "bridge.size"
