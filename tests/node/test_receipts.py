"""Receipts on the road of our own entries: by ingest, by commands, by erases; and how they go."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.node.notebook import Bench as Books
from tests.node.notebook import opened
from tests.node.taking import Bench, make_keyring, note

from sheaf_node.config import Limits
from sheaf_node.erasing import Erased, Erasing
from sheaf_node.events import Arrivals
from sheaf_node.housekeeping import Housekeeping
from sheaf_node.ingest import Draft, Ingest
from sheaf_node.plugins import Call, Json
from sheaf_node.store.effects import Effects
from sheaf_node.store.receipt import KEPT_MS, NewReceipt
from sheaf_protocol.digest import Digest
from sheaf_protocol.errors import LocalProtocolError, Refusal
from sheaf_protocol.testing.author import START_MS, make_coop

ID, REQUEST = Digest(b"i" * 32), Digest(b"r" * 32)


def receipt(*, id_: Digest = ID, at_ms: int = START_MS, size: int = 0) -> NewReceipt:
    def reply(effects: Effects) -> bytes:
        return b" ".join(entry.id for entry in effects.entries).ljust(size)

    return NewReceipt(id=id_, request=REQUEST, taken_ms=at_ms, reply=reply)


def kept(bench: Bench | Books) -> bytes | None:
    store = bench.store if isinstance(bench, Bench) else bench.parts.store
    found = store.receipts.receipt(ID)
    return None if found is None else found.reply


# --- by ingest


async def test_what_is_published_and_its_receipt_are_stored_together(bench: Bench) -> None:
    [entry] = await bench.ingest.publish(bench.fid, [note()], receipt=receipt())

    assert kept(bench) == entry.id


async def test_of_many_at_once_under_one_key_one_publishes(bench: Bench) -> None:
    asked = [bench.ingest.publish(bench.fid, [note()], receipt=receipt()) for _ in range(20)]

    told = await asyncio.gather(*asked, return_exceptions=True)

    published = [each for each in told if isinstance(each, list)]
    refused = {each.code for each in told if isinstance(each, Refusal)}
    assert (len(published), refused) == (1, {"api.idempotency_busy"})
    assert bench.store.arrival == 1
    assert kept(bench) == published[0][0].id


async def test_one_that_was_cancelled_on_its_way_to_the_disk_has_published_for_good(
    bench: Bench,
) -> None:
    first = asyncio.ensure_future(bench.ingest.publish(bench.fid, [note()], receipt=receipt()))
    await asyncio.sleep(0)
    was_on_its_way = bench.store.is_planned(ID)
    first.cancel()

    with pytest.raises(Refusal) as refusal:
        await bench.ingest.publish(bench.fid, [note()], receipt=receipt())
    await bench.ingest.publish(bench.fid, [note()])

    assert was_on_its_way
    assert refusal.value.code == "api.idempotency_busy"
    first_id = bench.store.entries_after(0)[0].id
    assert (bench.store.arrival, kept(bench)) == (2, first_id)


async def test_a_refused_publication_leaves_no_receipt(bench: Bench) -> None:
    with pytest.raises(LocalProtocolError):
        await bench.ingest.publish(
            bench.fid, [note(), Draft(kind="demand.submit", body=b"\x80")], receipt=receipt()
        )

    await bench.ingest.publish(bench.fid, [note()], receipt=receipt())

    assert bench.store.arrival == 1
    assert kept(bench) is not None


async def test_beyond_their_limit_nothing_is_published_with_a_receipt(bench: Bench) -> None:
    ingest = Ingest(
        store=bench.store,
        arrivals=Arrivals(),
        clock=bench.clock,
        random=bytes,
        keyring=make_keyring(bench.mill),
        limits=Limits(receipt_mb=1),
    )
    await ingest.keep(receipt(id_=Digest(b"o" * 32), size=1 << 20))

    with pytest.raises(Refusal) as refusal:
        await ingest.publish(bench.fid, [note()], receipt=receipt())
    await ingest.publish(bench.fid, [note()])

    assert refusal.value.code == "api.idempotency_full"
    assert (bench.store.arrival, kept(bench)) == (1, None)


# --- by commands


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    async with opened(tmp_path, make_coop("Mill")) as made:
        yield made


def of_reply(reply: Json) -> NewReceipt:
    def told(effects: Effects) -> bytes:
        return f"{reply} {len(effects.entries)}".encode()

    return NewReceipt(id=ID, request=REQUEST, taken_ms=START_MS, reply=told)


async def test_the_receipt_of_a_command_is_kept_with_all_that_it_publishes(books: Books) -> None:
    host = books.host()

    reply = await host.command("add", Call(body=b"one two"), of_reply)

    assert (reply, kept(books)) == ("added", b"added 2")


async def test_a_command_that_publishes_nothing_has_a_receipt_too(books: Books) -> None:
    host = books.host()

    await host.command("add", Call(), of_reply)

    assert (books.parts.store.arrival, kept(books)) == (0, b"added 0")


@pytest.mark.parametrize("name", ["refuse", "lapse"])
async def test_a_refused_command_leaves_no_receipt(books: Books, name: str) -> None:
    host = books.host()

    with pytest.raises(Refusal):
        await host.command(name, Call(), of_reply)

    assert (books.parts.store.arrival, kept(books)) == (0, None)


async def test_of_two_commands_at_once_under_one_key_one_publishes(books: Books) -> None:
    host = books.host()

    told = await asyncio.gather(
        *(host.command("add", Call(body=b"one"), of_reply) for _ in range(2)),
        return_exceptions=True,
    )

    assert [each for each in told if isinstance(each, str)] == ["added"]
    assert books.kinds() == ["demand.submit"]


# --- by erases


async def test_an_erase_is_told_as_it_is_kept(bench: Bench) -> None:
    erasing = Erasing(bench.store, bench.ingest, bench.mill.cid)
    [entry] = await bench.ingest.publish(bench.fid, [note()])

    def receipt_of(told: Callable[[Effects], Erased]) -> NewReceipt:
        def reply(effects: Effects) -> bytes:
            return str(told(effects).deleted_at_ms).encode()

        return NewReceipt(id=ID, request=REQUEST, taken_ms=START_MS, reply=reply)

    bench.clock.advance(5_000)
    erased = await erasing.erase(entry.id.hex(), None, receipt_of)

    assert kept(bench) == str(erased.deleted_at_ms).encode()


# --- how they go


async def test_receipts_go_after_seven_days_and_make_room(bench: Bench) -> None:
    housekeeping = Housekeeping(
        store=bench.store, arrivals=bench.arrivals, clock=bench.clock, keeps=lambda _: False
    )
    await bench.ingest.publish(bench.fid, [note()], receipt=receipt())
    bench.clock.advance(KEPT_MS)
    await housekeeping.tidy()
    at_seven_days = kept(bench)
    bench.clock.advance(1)

    await housekeeping.tidy()

    assert at_seven_days is not None
    assert (kept(bench), bench.store.arrival) == (None, 1)
