"""What came over treaties is judged alike on all nodes, whatever arrives when."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from msgspec import UNSET, structs
from tests.node.straits import DAY_MS, NORTH, OFFER, SOUTH, Straits

from sheaf_node.crossing import terms_of
from sheaf_protocol.charter import TreatyInForce, moved
from sheaf_protocol.digest import digest
from sheaf_protocol.envelope import Envelope
from sheaf_protocol.errors import RemoteProtocolError
from sheaf_protocol.identity import signing_key
from sheaf_protocol.link.messages import PayloadItem
from sheaf_protocol.records import Offer
from sheaf_protocol.records.erasure import Erase
from sheaf_protocol.records.governance import Change, CoopLines
from sheaf_protocol.testing.author import START_MS, LogAuthor
from sheaf_protocol.treaty import treaty_id

if TYPE_CHECKING:
    from pathlib import Path

    from sheaf_node.crossing import Crossings
    from sheaf_protocol.digest import EntryId


def crossings_of(straits: Straits) -> Crossings:
    """What crossed into South, as Dale's node has it."""
    parts = straits.dale.parts
    found = parts.crossings.into(
        straits.fid(SOUTH), store=parts.store, ingest=parts.ingest, arrivals=parts.arrivals
    )
    found.catch_up()
    return found


async def crossed(straits: Straits, ref: str = "o1") -> EntryId:
    """An offer of Hill that Span took across, unknown to Dale."""
    straits.away = {straits.dale}
    offer = await straits.hill.publish(NORTH, structs.replace(OFFER, ref=ref))
    await straits.hill.ask(NORTH, offer)
    await straits.settle()
    straits.away = set()
    return offer


def imports(straits: Straits) -> list[Envelope]:
    return [entry.envelope for entry in straits.span.entries(SOUTH, "bridge.import")]


async def test_an_import_waits_for_the_charter_of_where_it_comes_from(straits: Straits) -> None:
    offer = await crossed(straits)
    await straits.dale.ingest.receive(imports(straits))
    await straits.dale.turn()
    assert straits.dale.diary(SOUTH) == []

    await straits.dale.tell(NORTH)
    await straits.dale.turn()

    assert [seen.id for seen in straits.dale.diary(SOUTH)] == [offer]
    assert await straits.dale.codes(SOUTH) == []


async def test_those_behind_one_that_waits_wait_as_well(straits: Straits) -> None:
    first, second = await crossed(straits), await crossed(straits, "o2")
    await straits.dale.ingest.receive(imports(straits))
    await straits.dale.turn()
    assert straits.dale.diary(SOUTH) == []

    await straits.dale.tell(NORTH)
    await straits.dale.turn()

    assert [seen.id for seen in straits.dale.diary(SOUTH)] == [first, second]


async def test_what_a_fork_voids_is_taken_back(straits: Straits) -> None:
    offer = await crossed(straits)
    await straits.settle()
    assert [seen.id for seen in straits.dale.diary(SOUTH)] == [offer]

    # A first entry of Span in South beside the one that it published.
    fork = LogAuthor(straits.coops["Span"], straits.fid(SOUTH)).append("x.note", b"\x80")
    await straits.dale.ingest.receive([fork])
    await straits.dale.turn()

    assert straits.dale.store.fork_proofs
    assert straits.dale.diary(SOUTH) == []


async def test_a_cut_in_its_authors_log_takes_back_what_crossed(straits: Straits) -> None:
    hill = straits.coops["Hill"]
    offer = await crossed(straits)
    await straits.settle()
    assert [seen.id for seen in straits.dale.diary(SOUTH)] == [offer]

    hill.close({})  # the writer's log counts no more, from its first entry on
    await straits.dale.ingest.receive_key_ops(hill.cid, hill.key_ops)
    await straits.dale.turn()

    assert straits.dale.diary(SOUTH) == []
    assert await straits.dale.codes(SOUTH) == ["bridge.origin"]


async def test_new_keys_of_its_author_change_nothing(straits: Straits) -> None:
    hill = straits.coops["Hill"]
    await crossed(straits)
    await straits.settle()
    before = straits.dale.diary_service(SOUTH)

    hill.delegate(signing_key(b"another writer".ljust(32)), START_MS + DAY_MS)
    await straits.dale.ingest.receive_key_ops(hill.cid, hill.key_ops)
    await straits.dale.turn()

    assert straits.dale.diary_service(SOUTH) is before
    assert len(before.seen) == 1


async def test_one_entry_that_two_bridges_bring_is_seen_once(straits: Straits) -> None:
    offer = await crossed(straits)
    ask = straits.hill.entries(NORTH, "bridge.ask")[0].id
    sent = await straits.reach.publish(NORTH, straits.export(offer, ask))
    await straits.reach.publish(SOUTH, straits.bridged(offer, sent))

    await straits.settle()

    assert len(straits.dale.entries(SOUTH, "bridge.import")) == 2
    assert [seen.id for seen in straits.dale.diary(SOUTH)] == [offer]
    assert await straits.dale.codes(SOUTH) == []


async def test_whole_counts_before_a_view_whichever_came_first(tmp_path: Path) -> None:
    straits = Straits(tmp_path, {"removed": ["lead_days"]})
    await straits.open()
    offer = await crossed(straits)
    await straits.settle()
    [view] = straits.dale.diary(SOUTH)
    other = straits.treaty(NORTH, SOUTH, removed=[])
    for name in (NORTH, SOUTH):
        await straits.change(name, Change(action="treaty", treaty=other))
    ask = straits.hill.entries(NORTH, "bridge.ask")[0].id
    export = straits.export(offer, ask, treaty=treaty_id(other))

    [held] = straits.hill.entries(NORTH, "offer.submit")
    shown = digest("shown", held.envelope.payload)
    whole = await straits.reach.publish(NORTH, structs.replace(export, shown=shown))
    await straits.reach.publish(SOUTH, straits.bridged(offer, whole, treaty=treaty_id(other)))
    await straits.settle()

    [seen] = straits.dale.diary(SOUTH)
    assert isinstance(view.record, Offer)
    assert view.record.lead_days is UNSET
    assert (seen.id, seen.record) == (view.id, OFFER)
    await straits.close()


@pytest.mark.parametrize("seed", range(4))
async def test_every_order_of_arrival_ends_in_the_same(tmp_path: Path, seed: int) -> None:
    straits = Straits(tmp_path, {"per_day": 3}, dice=random.Random(seed))  # noqa: S311
    await straits.open()
    for number in range(5):
        await crossed(straits, f"o{number}")
    await straits.change(SOUTH, straits.level("limit", 2))
    lines = imports(straits)
    straits.dice.shuffle(lines)

    for envelope in [*lines, *lines, *lines]:
        await straits.dale.ingest.receive([envelope])
        if straits.dice.random() < 0.5:
            await straits.dale.turn()
        if straits.dice.random() < 0.3:
            await straits.dale.tell(NORTH)
    await straits.settle()

    there = crossings_of(straits)
    seen = [(item.id, item.fault and item.fault.code) for item in there.imports.values()]
    await straits.dale.close()
    await straits.dale.open()
    again = crossings_of(straits)
    assert sorted(seen) == sorted((i.id, i.fault and i.fault.code) for i in again.imports.values())
    assert {seen.id for seen in straits.dale.diary(SOUTH)} == set()
    await straits.dale.turn()
    assert {i.origin for i in again.shown} == {seen.id for seen in straits.dale.diary(SOUTH)}
    await straits.close()


async def test_a_certificate_that_comes_after_what_it_judges_takes_it_back(
    straits: Straits,
) -> None:
    await crossed(straits)
    straits.away = {straits.dale}
    straits.certify(SOUTH, straits.level("pause"))  # below it, by the bridges' lines
    second = await straits.hill.publish(NORTH, structs.replace(OFFER, ref="o2"))
    ask = await straits.hill.ask(NORTH, second)
    await straits.carry()
    sent = await straits.span.publish(NORTH, straits.export(second, ask))
    await straits.span.publish(SOUTH, straits.bridged(second, sent))
    straits.away = set()
    await straits.carry()
    await straits.dale.turn()
    assert len(straits.dale.diary(SOUTH)) == 2

    await straits.dale.tell(SOUTH)
    await straits.dale.turn()

    assert len(straits.dale.diary(SOUTH)) == 1
    assert await straits.dale.codes(SOUTH) == ["bridge.level"]


async def test_an_import_waits_for_its_payload(straits: Straits) -> None:
    offer = await crossed(straits)
    await straits.dale.tell(NORTH)
    [envelope] = imports(straits)
    bare = Envelope(envelope.header, envelope.signature, b"")
    [result] = await straits.dale.ingest.receive([bare])
    await straits.dale.turn()
    assert straits.dale.diary(SOUTH) == []
    assert result.entry is not None

    item = PayloadItem(result.entry.log, result.entry.header.seq, envelope.payload)
    await straits.dale.ingest.receive_payloads(straits.fid(SOUTH), [item])
    await straits.dale.turn()

    assert [seen.id for seen in straits.dale.diary(SOUTH)] == [offer]


async def test_a_body_that_is_gone_for_good_is_left_out(straits: Straits) -> None:
    first, second = await crossed(straits), await crossed(straits, "o2")
    straits.away = {straits.dale}
    [one, _] = straits.span.entries(SOUTH, "bridge.import")
    await straits.span.publish(SOUTH, Erase(entry=one.id))
    straits.away = set()
    lines = [
        entry.as_passed_on().envelope for entry in straits.span.entries(SOUTH, "bridge.import")
    ]
    [erase] = straits.span.entries(SOUTH, "entry.erase")
    await straits.dale.tell(NORTH)

    await straits.dale.ingest.receive([*lines, erase.envelope])
    await straits.dale.turn()

    assert first != second
    assert [seen.id for seen in straits.dale.diary(SOUTH)] == [second]


async def test_a_treaty_that_nobody_can_read_lets_nothing_in(straits: Straits) -> None:
    await crossed(straits)
    chain = straits.chains[SOUTH]
    listed = TreatyInForce(body=b"\x80", level="allow")
    charter = structs.replace(chain.federation.charter, treaties=[listed])
    lines = [CoopLines(cid=cid, logs=[]) for cid in moved(chain.federation.charter, charter)]
    charter = structs.replace(charter, lines=lines)
    federation = chain.federation.after(chain.federation.id, charter)
    header = straits.span.entries(SOUTH, "bridge.import")[0].header

    with pytest.raises(RemoteProtocolError) as refusal:
        terms_of(federation, header, listed.id)

    assert refusal.value.code == "bridge.treaty"
