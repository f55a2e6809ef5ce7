"""A ring of three federations with two bridges in each treaty: entries end where they have been."""

import itertools

import pytest
from msgspec import structs
from tests.protocol.crossing import (
    DALE,
    FELL,
    HILL,
    REACH,
    SPAN,
    Entry,
    Land,
    World,
    bridged_in,
    offer,
    opened,
    terms_between,
)

from sheaf_protocol.codec import encode
from sheaf_protocol.envelope import SEALED, Envelope, body_of, verify_header
from sheaf_protocol.errors import Fault, RemoteProtocolError
from sheaf_protocol.records import Offer
from sheaf_protocol.sealing import Author, Sealed, open_private, seal_private
from sheaf_protocol.treaty import Crossed, Source, Terms, check_import


class Ring:
    """The story: every bridge takes every entry wherever its treaties let it."""

    def __init__(self, **changes: object) -> None:
        self.world = world = World()
        self.lands = [world.north, world.south, world.east]
        pairs = itertools.permutations(self.lands, 2)
        self.terms = {(a.fid, b.fid): terms_between(a, b, **changes) for a, b in pairs}
        self.imports: dict[bytes, list[tuple[Entry, Crossed]]] = {}
        self.refusals: list[str] = []

    def spread(self, entry: Envelope, source: Source, left: Land) -> None:
        for entered in self.lands:
            if entered is not left:
                self.take(entry, source, left, entered)

    def take(self, entry: Envelope, source: Source, left: Land, entered: Land) -> None:
        terms = self.terms[left.fid, entered.fid]
        for bridge in (SPAN, REACH):
            try:
                came = self.world.take(entry, source, terms, (left, entered), bridge=bridge)
            except RemoteProtocolError as exc:
                self.refusals.append(exc.code)
                continue
            crossed = self.world.judge(came, terms)
            known = self.imports.setdefault(entered.fid, [])
            is_new = all(other.id != crossed.id for _, other in known)
            known.append((came, crossed))
            if is_new:
                self.spread(entry, self.world.go_on(came, terms), entered)

    def counting(self, land: Land) -> list[Crossed]:
        """What counts in a federation, in whatever order its imports come."""
        best: dict[bytes, tuple[object, Crossed]] = {}
        for came, crossed in self.imports.get(land.fid, []):
            rank = crossed.rank(came.id)
            if crossed.id not in best or rank < best[crossed.id][0]:  # type: ignore[operator]  # ranks of one shape
                best[crossed.id] = (rank, crossed)
        return [crossed for _, crossed in best.values()]


def test_entry_enters_each_federation_once_and_never_its_own() -> None:
    ring = Ring()
    entry = ring.world.north.log(HILL).publish(offer())

    ring.spread(entry, ring.world.ask(entry, ring.world.north, HILL), ring.world.north)

    assert [len(ring.counting(land)) for land in ring.lands] == [0, 1, 1]
    assert {crossed.via for land in ring.lands[1:] for crossed in ring.counting(land)} == {
        (ring.world.north.fid,)
    }
    assert set(ring.refusals) == {"bridge.loop"}


def test_entry_that_was_only_lent_across_one_border_stays_there() -> None:
    ring = Ring()
    entry = ring.world.north.log(HILL).publish(offer())
    source = ring.world.ask(entry, ring.world.north, HILL, into=ring.world.south.fid)
    terms = ring.terms[ring.world.north.fid, ring.world.south.fid]

    came = ring.world.take(entry, source, terms, (ring.world.north, ring.world.south))

    with pytest.raises(RemoteProtocolError) as caught:
        ring.world.go_on(came, terms)
    assert caught.value.code == "bridge.unasked"


def test_bridge_that_sends_an_entry_back_is_refused_by_those_who_sent_it() -> None:
    world = World()
    there, back = terms_between(world.north, world.south), terms_between(world.south, world.north)
    entry = world.north.log(HILL).publish(offer())
    came = world.take(entry, world.ask(entry, world.north, HILL), there, (world.north, world.south))
    bridged = bridged_in(came)
    header = opened(world.north.log(SPAN).publish(bridged)).header

    with pytest.raises(RemoteProtocolError) as caught:
        check_import(header, bridged, back, world.control)

    assert caught.value.code == "bridge.loop"


def test_entry_is_no_entry_of_the_federation_it_is_replayed_into() -> None:
    world = World()
    entry = world.north.log(HILL).publish(offer())
    renamed = encode(structs.replace(opened(entry).header, fid=world.south.fid))

    with pytest.raises(RemoteProtocolError) as caught:
        verify_header(HILL.wid, renamed, entry.signature)

    assert caught.value.code == "env.signature"


def test_aggregate_goes_two_hops_an_offer_comes_back_and_an_order_returns_sealed() -> None:
    world = World()
    out = [terms_between(world.north, world.south), terms_between(world.south, world.east)]

    def carried(entry: Envelope, source: Source, way: list[tuple[Terms, Land, Land]]) -> Crossed:
        for terms, left, entered in way:
            came = world.take(entry, source, terms, (left, entered))
            crossed = world.judge(came, terms)
            source = world.go_on(came, terms)
        return crossed

    there = [(out[0], world.north, world.south), (out[1], world.south, world.east)]
    back = [(out[1], world.east, world.south), (out[0], world.south, world.north)]
    aggregate = world.north.log(HILL).append("x.note", encode({"zone": "HILLS"}))
    seen = carried(aggregate, world.ask(aggregate, world.north, HILL), there)
    quote = world.east.log(FELL).publish(offer())
    answer = carried(quote, world.ask(quote, world.east, FELL), back)
    author = Author(fid=world.north.fid, cid=HILL.cid, wid=HILL.wid)
    body = seal_private(
        "order.place", [answer.id], b"\x80", [FELL.prekey[0]], author=author, random=bytes(56)
    )
    order = world.north.log(HILL).append(SEALED, body)
    taken = carried(order, world.ask(order, world.north, HILL), there)

    assert seen.id == aggregate.id
    assert isinstance(answer.record, Offer)
    assert answer.header.cid == FELL.cid
    assert isinstance(taken.record, Sealed)
    public, secret = FELL.prekey
    inside = open_private(taken.record, author=author, public=public, secret=secret)
    assert inside is not None
    assert inside.refs == [quote.id]


def test_sealed_body_copied_under_another_header_opens_nothing() -> None:
    world = World()
    author = Author(fid=world.north.fid, cid=HILL.cid, wid=HILL.wid)
    public, secret = DALE.prekey
    body = seal_private("order.place", [], b"\x80", [public], author=author, random=bytes(56))
    copied = world.south.log(DALE).append(SEALED, body)
    terms = terms_between(world.south, world.east)
    came = world.take(
        copied, world.ask(copied, world.south, DALE), terms, (world.south, world.east)
    )

    crossed = world.judge(came, terms)

    assert isinstance(crossed.record, Sealed)
    place = Author(fid=crossed.home, cid=crossed.header.cid, wid=crossed.header.wid)
    with pytest.raises(RemoteProtocolError) as caught:
        open_private(crossed.record, author=place, public=public, secret=secret)
    assert (caught.value.code, caught.value.fault) == ("seal.opening", Fault.AUTHOR)
    assert body_of(copied.payload) == body
