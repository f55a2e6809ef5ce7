"""Spec 16, section 7: what proves an entry that comes in: its receipt, and its origin."""

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs
from tests.protocol.crossing import (
    DALE,
    HILL,
    SPAN,
    Land,
    World,
    bridged_in,
    came,
    known_of,
    offer,
    receipt_of,
    refusal,
    refused,
    terms_between,
    with_receipt,
)

from sheaf_protocol.charter import Chain, federation_of
from sheaf_protocol.codec import encode
from sheaf_protocol.digest import EntryId, digest
from sheaf_protocol.errors import Fault
from sheaf_protocol.log import EMPTY
from sheaf_protocol.testing.author import LogAuthor, make_coop, make_federation
from sheaf_protocol.testing.chain import tail_over
from sheaf_protocol.testing.epoch import about, keys_of, make_epoch
from sheaf_protocol.treaty import Control, Terms, plan_export


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"into": bytes(32)}, "bridge.receipt"),
        ({"entry": EntryId(bytes(32))}, "bridge.shown"),
        ({"shown": digest("shown", b"")}, "bridge.shown"),
        ({"treaty": digest("treaty", b"")}, "bridge.treaty"),
    ],
)
def test_receipt_for_something_else_is_refused(
    world: World, terms: Terms, said: Any, code: str
) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    bridged = with_receipt(world, bridged_in(arrived), **said)

    assert refused(world, arrived, terms, bridged) == code


def test_receipt_by_a_coop_that_is_no_bridge_is_refused(world: World, terms: Terms) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    bridged = with_receipt(world, bridged_in(arrived), HILL)

    assert refused(world, arrived, terms, bridged) == "bridge.treaty"


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": bytes(64)},
        {"header": b"\x80"},
        {"payload": b""},
        {"payload": bytes(20)},
    ],
)
def test_receipt_that_its_bridge_did_not_sign_is_refused(
    world: World, terms: Terms, changes: Any
) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    bridged = bridged_in(arrived)

    forged = structs.replace(bridged, receipt=structs.replace(bridged.receipt, **changes))

    assert refused(world, arrived, terms, forged) == "bridge.receipt"


def test_receipt_of_another_kind_is_refused(world: World, terms: Terms) -> None:
    source = world.ask(world.north.log(HILL).publish(offer()), world.north, HILL)
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    export, _ = plan_export(terms, source)
    envelope = world.north.log(SPAN).append("x.note", encode(export))

    bridged = bridged_in(arrived)
    forged = structs.replace(bridged, receipt=receipt_of(bridged, envelope))

    assert refused(world, arrived, terms, forged) == "bridge.receipt"


def test_receipt_of_a_bridge_that_has_no_such_role_where_it_left_is_refused(
    world: World, terms: Terms
) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    members = sorted([(HILL, ["supplier"]), (SPAN, ["observer"])], key=lambda each: each[0].cid)
    federation = federation_of(make_federation(members))  # type: ignore[arg-type]  # roles as texts

    known_of(world, federations={world.north.fid: federation})

    assert refused(world, arrived, terms) == "bridge.receipt"


@pytest.mark.parametrize("proof", [bytes(64), b"\x80", b""])
def test_origin_that_its_author_did_not_sign_is_refused(
    world: World, terms: Terms, proof: bytes
) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    forged = structs.replace(bridged_in(arrived), proof=proof)

    assert refused(world, arrived, terms, forged) == "bridge.origin"


def test_headers_that_do_not_follow_prove_nothing(world: World, terms: Terms) -> None:
    log = world.north.log(HILL)
    entry, _, later = log.publish(offer()), log.publish(offer()), log.append("x.note", b"\x80")

    arrived = came(world, entry, terms, proof=tail_over([later]))

    assert refused(world, arrived, terms) == "bridge.origin"


def test_header_that_is_none_is_refused(world: World, terms: Terms) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    assert (
        refused(world, arrived, terms, structs.replace(bridged_in(arrived), header=b"\x80"))
        == "bridge.origin"
    )


def test_author_in_no_role_that_may_publish_the_kind_is_refused(world: World, terms: Terms) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    members = sorted([(HILL, ["member"]), (SPAN, ["bridge"])], key=lambda each: each[0].cid)
    federation = federation_of(make_federation(members))  # type: ignore[arg-type]  # roles as texts

    known_of(world, federations={world.north.fid: federation})

    assert refused(world, arrived, terms) == "bridge.origin"


def test_entry_of_a_coop_that_was_no_member_is_refused(world: World, terms: Terms) -> None:
    log = LogAuthor(DALE, world.north.fid)
    entry = log.publish(offer())
    world.north.logs[DALE.name] = log
    source = world.ask(entry, world.north, DALE)

    arrived = world.take(entry, source, terms, (world.north, world.south))

    assert refused(world, arrived, terms) == "bridge.origin"


def test_entry_beyond_the_cut_of_its_author_s_writer_is_refused(world: World, terms: Terms) -> None:
    hill = make_coop("Hill Farm")
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)

    hill.close({world.north.fid: EMPTY})
    known_of(world, keys={hill.cid: hill.keys})

    assert refused(world, arrived, terms) == "bridge.origin"


def test_entry_of_a_coop_that_left_counts_up_to_its_line(world: World) -> None:
    coops = [HILL, DALE, SPAN]
    genesis = make_federation([(HILL, ["supplier"]), (DALE, ["member"]), (SPAN, ["bridge"])])
    home = Land(federation_of(genesis), {c.name: LogAuthor(c, genesis.fid) for c in coops})
    terms = terms_between(home, world.south)
    log = home.log(HILL)
    before = log.publish(offer())
    line = log.twin()
    after = log.publish(offer(ref="o2"))
    chain = Chain.found(genesis, keys_of(coops))
    left = make_epoch(chain.federation, about("leave", HILL), [HILL, DALE], lines=[line])
    known_of(world, federations={home.fid: chain.add(left, keys_of(coops)).federation}.items())
    lands = (home, world.south)
    arrived = [world.take(e, world.ask(e, home, HILL), terms, lands) for e in (before, after)]

    assert world.judge(arrived[0], terms).id == before.id
    assert refused(world, arrived[1], terms) == "bridge.origin"


@pytest.mark.parametrize("missing", ["charters", "key log", "writer"])
def test_what_cannot_be_proven_yet_is_asked_for_again(
    world: World, terms: Terms, missing: str
) -> None:
    arrived = came(world, world.north.log(HILL).publish(offer()), terms)
    keys = dict(world.control.keys)
    federations = dict(world.control.federations)
    if missing == "charters":
        del federations[world.north.fid]
    elif missing == "key log":
        del keys[HILL.cid]
    else:
        keys[HILL.cid] = replace(keys[HILL.cid], writers={})
    world.control = Control(federations=federations, keys=keys)

    caught = refusal(world, arrived, terms)

    assert (caught.code, caught.fault) == ("bridge.unknown", Fault.NOT_YET)
