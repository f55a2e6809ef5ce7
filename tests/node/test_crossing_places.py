"""Which imports of a day count is told by the headers of a bridge's log, and by nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import structs
from tests.node.straits import DAY_MS, NORTH, OFFER, SOUTH, Node, Straits

from sheaf_node.ingest import Draft
from sheaf_protocol.codec import decode, encode
from sheaf_protocol.digest import EntryId, digest
from sheaf_protocol.envelope import body_of
from sheaf_protocol.identity import signing_key
from sheaf_protocol.records.bridge import BridgeExport
from sheaf_protocol.records.erasure import Erase
from sheaf_protocol.testing.author import START_MS, LogAuthor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def straits(tmp_path: Path) -> AsyncIterator[Straits]:
    made = Straits(tmp_path, {"per_day": 2})
    await made.open()
    yield made
    await made.close()


async def asked(straits: Straits, ref: str) -> tuple[EntryId, EntryId]:
    """An offer of Hill, and Hill's ask for it to cross; no node took a turn yet."""
    offer = await straits.hill.publish(NORTH, structs.replace(OFFER, ref=ref))
    ask = await straits.hill.ask(NORTH, offer)
    await straits.carry()
    return offer, ask


async def exported(straits: Straits, ref: str) -> tuple[EntryId, EntryId]:
    """An offer, and the export by which Span may take it across."""
    offer, ask = await asked(straits, ref)
    return offer, await straits.span.publish(NORTH, straits.export(offer, ask))


async def brought(straits: Straits, ref: str) -> EntryId:
    """An offer that Span brings by hand, whatever is the day's rate."""
    offer, export = await exported(straits, ref)
    await straits.span.publish(SOUTH, straits.bridged(offer, export))
    return offer


async def test_an_import_whose_body_is_erased_keeps_its_place_of_the_day(straits: Straits) -> None:
    # Dale comes when the first is gone; Span counted it.
    straits.away = {straits.dale}
    offers = [await brought(straits, f"o{number}") for number in range(3)]
    lines = straits.span.entries(SOUTH, "bridge.import")
    await straits.span.turn()
    await straits.span.publish(SOUTH, Erase(entry=lines[0].id))
    [erase] = straits.span.entries(SOUTH, "entry.erase")
    held = straits.span.entries(SOUTH, "bridge.import")
    await straits.dale.tell(NORTH)

    passed_on = [entry.as_passed_on().envelope for entry in held]
    await straits.dale.ingest.receive([*passed_on, erase.envelope])
    await straits.dale.turn()

    assert passed_on[0].payload == b""
    assert [seen.id for seen in straits.span.diary(SOUTH)] == offers[:2]
    assert [seen.id for seen in straits.dale.diary(SOUTH)] == offers[1:2]
    assert await straits.span.codes(SOUTH) == await straits.dale.codes(SOUTH) == ["bridge.rate"]


async def test_garbage_of_a_bridge_uses_up_its_own_day(straits: Straits) -> None:
    offer, export = await exported(straits, "o1")
    garbage = straits.bridged(offer, export, payload=bytes(40_000))
    for _ in range(2):
        await straits.span.publish(SOUTH, garbage)

    await brought(straits, "o2")
    await straits.carry()
    await straits.dale.turn()

    assert straits.dale.diary(SOUTH) == []
    codes = sorted(await straits.dale.codes(SOUTH))
    assert codes == ["bridge.rate", "bridge.shown", "bridge.shown"]


async def test_an_import_beyond_its_day_counts_not_and_the_next_day_does(straits: Straits) -> None:
    for number in range(3):
        await brought(straits, f"o{number}")
    straits.clock.advance(DAY_MS)
    later = await brought(straits, "later")
    await straits.carry()

    await straits.dale.turn()

    assert len(straits.dale.diary(SOUTH)) == 3
    assert straits.dale.diary(SOUTH)[-1].id == later
    assert await straits.dale.codes(SOUTH) == ["bridge.rate"]


async def test_an_author_whose_keys_never_come_holds_up_no_other(straits: Straits) -> None:
    hill, dale = straits.coops["Hill"], straits.dale
    await dale.tell(NORTH)
    offer, ask = await asked(straits, "o1")
    writer = signing_key(b"another writer".ljust(32))
    strange = LogAuthor(hill, straits.fid(NORTH), writer=writer).publish(OFFER)
    shown = digest("shown", strange.payload)
    export = structs.replace(straits.export(offer, ask), entry=strange.id, shown=shown)
    sent = await straits.span.publish(NORTH, export)
    parts = {"header": strange.header, "payload": strange.payload, "proof": strange.signature}
    await straits.span.publish(SOUTH, straits.bridged(offer, sent, **parts))
    known = await brought(straits, "o2")
    await straits.carry()
    await dale.turn()
    assert [seen.id for seen in dale.diary(SOUTH)] == [known]

    hill.delegate(writer, START_MS + DAY_MS)
    await dale.ingest.receive_key_ops(hill.cid, hill.key_ops)
    await dale.turn()

    assert {seen.id for seen in dale.diary(SOUTH)} == {known, strange.id}
    assert await dale.codes(SOUTH) == []


async def test_one_that_asks_for_hundreds_takes_no_turn_of_another(tmp_path: Path) -> None:
    straits = Straits(tmp_path, {"per_day": 4})
    await straits.open()
    for number in range(300):
        await straits.hill.ask(NORTH, EntryId(number.to_bytes(32)))  # for nothing at all
    for number in range(20):
        await straits.hill.ask(NORTH, await noted(straits.hill, number))
    late = await noted(straits.moor, 0)
    await straits.moor.ask(NORTH, late)

    await straits.settle()

    exports = straits.hill.entries(NORTH, "bridge.export")
    said = [decode(body_of(entry.envelope.payload), BridgeExport) for entry in exports]
    assert len(said) == 4
    assert late in [export.entry for export in said]
    await straits.close()


async def noted(node: Node, number: int) -> EntryId:
    draft = Draft(kind="x.note", body=encode({"number": number}))
    [stored] = await node.ingest.publish(node.straits.fid(NORTH), [draft])
    return stored.id
